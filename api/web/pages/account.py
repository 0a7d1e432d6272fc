"""Register, sign out, language and large type."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of, source_of
from api.web import cookies
from api.web.arriving import arrival_of, following_of, go_on
from api.web.csrf import checked_form, password_of, text_of
from api.web.i18n import LANGUAGE_COOKIE, LANGUAGES, N_
from api.web.pages.provider import leave
from api.web.rendering import TYPE_COOKIE, page, safe_next, say, see_other, with_next
from api.web.wrong import Wrong, wrong
from foundation.errors import TrustServiceError

router = APIRouter(include_in_schema=False)

PASSWORDS_DIFFER = N_("两次输入的密码不一样。请点“显示密码”看一看，再输一遍。")
REGISTER_FIELDS = frozenset({"username", "password", "mobile"})


@router.get("/register")
async def register_page(request: Request) -> Response:
    """Show the form."""
    return await _register(request)


async def _register(request: Request, *, errors: Wrong | None = None, values: dict[str, str] | None = None) -> Response:
    following = following_of(request)
    shown = {
        "action": with_next("/register", following),
        "sign_in": with_next("/sign-in", following),
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "register.html", shown)


@router.post("/register")
async def register(request: Request) -> Response:
    """Create the account and sign it in."""
    form = await checked_form(request)
    username, password = text_of(form, "username"), password_of(form, "password")
    values = {"username": username, "mobile": text_of(form, "mobile")}
    if password != password_of(form, "password_again"):
        differ = Wrong({"password_again": say(request, PASSWORDS_DIFFER)})
        return await _register(request, errors=differ, values=values)
    services, arrival = services_of(request), await arrival_of(request)
    try:
        await services.accounts.register(
            username, password, values["mobile"] or None, source=source_of(request), channel=arrival.channel
        )
        session = await services.sessions.sign_in(
            username,
            password,
            source=arrival.source,
            channel=arrival.channel,
            device_secret=arrival.device_secret,
            device_label=arrival.device_label,
        )
    except TrustServiceError as error:
        return await _register(request, errors=wrong(request, error, REGISTER_FIELDS), values=values)
    return await go_on(request, session, following_of(request) or "/home")


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session here and everywhere it is known."""
    await checked_form(request)
    return await leave(request, None)


@router.post("/preferences")
async def preferences(request: Request) -> Response:
    """Keep language and type size in the browser."""
    form = await checked_form(request)
    response = see_other(safe_next(text_of(form, "back", limit=1000), "/"))
    language, size = text_of(form, "language"), text_of(form, "type")
    for name, value, allowed in ((LANGUAGE_COOKIE, language, LANGUAGES), (TYPE_COOKIE, size, ("large", "normal"))):
        if value in allowed:
            response.set_cookie(
                name,
                value,
                max_age=cookies.PREFERENCE_SECONDS,
                secure=cookies.secure(request),
                httponly=True,
                samesite="lax",
            )
    return response
