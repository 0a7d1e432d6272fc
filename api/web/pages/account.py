"""Register, sign in, second factor, sign out, language and large type."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.context import services_of, source_of
from api.web import cookies, sessions
from api.web.csrf import checked_form, text_of
from api.web.device import device_label
from api.web.i18n import LANGUAGE_COOKIE, LANGUAGES, N_
from api.web.messages import told
from api.web.rendering import TYPE_COOKIE, continue_to, page, safe_next, say, see_other, with_next
from foundation.errors import TrustServiceError
from foundation.principal import Channel
from idp.people.account import AccountKind
from idp.people.errors import SignInRefused
from idp.people.session import Session

router = APIRouter(include_in_schema=False)

MAX_PASSWORD_CHARS = 500
PASSWORDS_DIFFER = N_("两次输入的密码不一样。")
REGISTER_FIELDS = frozenset({"username", "password", "mobile"})


def home_of(session: Session) -> str:
    """Return where a kind of account starts."""
    return {AccountKind.OFFICER: "/desk", AccountKind.OPERATOR: "/operate"}.get(session.kind, "/home")


def go_on_address(session: Session, following: str) -> str:
    """Return the page of ours to go to after a sign-in."""
    return safe_next(following, home_of(session))


async def go_on(request: Request, session: Session, following: str) -> Response:
    """Leave the sign-in for the page that asked for it, with the session's cookies."""
    target = go_on_address(session, following)
    response = await continue_to(request, target) if target.startswith("/oauth/") else see_other(target)
    sessions.keep(request, response, session)
    cookies.drop(request, response, cookies.FORM)
    return response


@router.get("/register")
async def register_page(request: Request) -> Response:
    """Show the form."""
    return await _register(request, request.query_params.get("next", ""))


async def _register(
    request: Request, following: str, *, errors: dict[str, str] | None = None, values: dict[str, str] | None = None
) -> Response:
    shown = {
        "action": with_next("/register", following),
        "sign_in": with_next("/sign-in", following),
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "register.html", shown, status=422 if errors else 200)


@router.post("/register")
async def register(request: Request) -> Response:
    """Create the account and sign it in."""
    form = await checked_form(request)
    following = request.query_params.get("next", "")
    username, password = text_of(form, "username"), password_of(form, "password")
    values = {"username": username, "mobile": text_of(form, "mobile")}
    if password != password_of(form, "password_again"):
        wrong = {"password_again": say(request, PASSWORDS_DIFFER)}
        return await _register(request, following, errors=wrong, values=values)
    services = services_of(request)
    source = source_of(request)
    try:
        await services.accounts.register(
            username, password, values["mobile"] or None, source=source, channel=Channel.WEB
        )
        session = await services.sessions.sign_in(username, password, source=source, channel=Channel.WEB)
    except TrustServiceError as error:
        wrong = _said(request, error, REGISTER_FIELDS)
        return await _register(request, following, errors=wrong, values=values)
    return await go_on(request, session, following or "/home")


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    """Show the form; somebody signed in already goes on, unless he must sign in again."""
    following = request.query_params.get("next", "")
    session = await sessions.current(request)
    if session is not None and "forced" not in request.query_params:
        if request.query_params.get("acr"):
            return see_other(with_next("/real-name", following))
        return see_other(safe_next(following, home_of(session)))
    return await _sign_in(request)


async def _sign_in(request: Request, *, errors: dict[str, str] | None = None, username: str = "") -> Response:
    following = request.query_params.get("next", "")
    why = "again" if "forced" in request.query_params else ("department" if following.startswith("/oauth/") else "")
    query = f"?{request.url.query}" if request.url.query else ""
    shown = {
        "passkey_finish": f"/sign-in/passkey/finish{query}",
        "action": f"/sign-in{query}",
        "register": with_next("/register", following),
        "why": why,
        "errors": errors or {},
        "values": {"username": username},
    }
    return await page(request, "sign_in.html", shown, status=422 if errors else 200)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Check the password; an account with a second factor is asked for it next."""
    form = await checked_form(request)
    following = request.query_params.get("next", "")
    username = text_of(form, "username")
    try:
        session = await services_of(request).sessions.sign_in(
            username,
            password_of(form, "password"),
            source=source_of(request),
            channel=Channel.WEB,
            device_secret=cookies.read(request, cookies.DEVICE),
            device_label=device_label(request),
        )
    except TrustServiceError as error:
        return await _sign_in(request, errors=_said(request, error), username=username)
    if session.pending:
        response = see_other(with_next("/second-factor", following))
        sessions.keep(request, response, session)
        return response
    return await go_on(request, session, following)


@router.get("/second-factor")
async def second_factor_page(request: Request) -> Response:
    """Ask for a one-time code."""
    if await sessions.pending(request) is None and await sessions.current(request) is None:
        return see_other(with_next("/sign-in", request.query_params.get("next")))
    return await _second_factor(request)


async def _second_factor(request: Request, errors: dict[str, str] | None = None) -> Response:
    shown = {"action": with_next("/second-factor", request.query_params.get("next")), "errors": errors or {}}
    return await page(request, "second_factor.html", shown, status=422 if errors else 200)


@router.post("/second-factor")
async def second_factor(request: Request) -> Response:
    """Finish the sign-in, or step an open session up."""
    form = await checked_form(request)
    session = await sessions.pending(request) or await sessions.current(request)
    if session is None:
        return see_other(with_next("/sign-in", request.query_params.get("next")))
    try:
        session = await services_of(request).sessions.second_factor(
            session, text_of(form, "code", limit=40), source=source_of(request)
        )
    except TrustServiceError as error:
        return await _second_factor(request, _said(request, error, frozenset({"code"})))
    return await go_on(request, session, request.query_params.get("next", ""))


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session here and everywhere it is known."""
    await checked_form(request)
    session = await sessions.current(request)
    if session is not None:
        await services_of(request).sessions.sign_out(session.principal())
    response = see_other("/")
    cookies.drop(request, response, cookies.SESSION)
    cookies.drop(request, response, cookies.PENDING)
    return response


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


def password_of(form: FormData, name: str) -> str:
    """Return a password exactly as typed, cut at a length no honest input reaches."""
    value = form.get(name)
    return value[:MAX_PASSWORD_CHARS] if isinstance(value, str) else ""


def _said(request: Request, error: TrustServiceError, fields: frozenset[str] = frozenset()) -> dict[str, str]:
    if isinstance(error, SignInRefused):
        return {"_form": say(request, told(error).text)}
    found = told(error, fields)
    return {found.field or "_form": say(request, found.text)}
