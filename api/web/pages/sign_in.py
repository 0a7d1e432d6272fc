"""Sign in by password or mobile code, and the second factor.

Every step carries `next` in its address, so that a department's request in progress survives
each of them.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of, source_of
from api.web import sessions
from api.web.arriving import arrival_of, browser_of, following_of, go_on, home_of
from api.web.csrf import checked_form, password_of, text_of
from api.web.i18n import N_
from api.web.rendering import page, safe_next, say, see_other, with_next
from api.web.wrong import Wrong, wrong
from foundation.errors import TrustServiceError
from idp.people.account import masked_mobile, normalise_mobile
from idp.people.mobile_codes import Purpose

router = APIRouter(include_in_schema=False)

RECOVERED = N_("新密码已经生效，其他设备都已退出。请用新密码登录。")
CLOSED = N_("账号已经注销。")
NOTICES = {"recovered": RECOVERED, "closed": CLOSED}
MOBILE_FIELDS = frozenset({"mobile", "code"})


def step_query(request: Request) -> str:
    """Return the query to carry to the next step, `?` included."""
    return f"?{request.url.query}" if request.url.query else ""


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    """Show the ways to sign in; somebody signed in already goes on, unless he must sign in again."""
    following = following_of(request)
    session = await sessions.current(request)
    if session is not None and "forced" not in request.query_params:
        if request.query_params.get("acr"):
            return see_other(with_next("/real-name", following))
        return see_other(safe_next(following, home_of(session)))
    return await _sign_in(request, username=request.query_params.get("login_hint", "")[:64])


async def _sign_in(request: Request, *, errors: Wrong | None = None, username: str = "") -> Response:
    following, query = following_of(request), step_query(request)
    why = "again" if "forced" in request.query_params else ("department" if following.startswith("/oauth/") else "")
    done = next((text for name, text in NOTICES.items() if name in request.query_params), None)
    shown = {
        "passkey_finish": f"/sign-in/passkey/finish{query}",
        "action": f"/sign-in{query}",
        "ways": {
            "code": f"/sign-in/code{query}",
            "qr": f"/sign-in/qr{query}",
            "certificate": f"/sign-in/certificate{query}",
            "recover": f"/recover{query}",
        },
        "upstreams": [
            (with_next(f"/sign-in/with/{source}", following), name)
            for source, name in services_of(request).provider.upstreams.names()
        ],
        "messages": services_of(request).people.sms.configured,
        "certificates": services_of(request).people.certificates.offered,
        "register": with_next("/register", following),
        "why": why,
        "errors": errors or {},
        "values": {"username": username},
        "notice": {"kind": "good", "text": say(request, done)} if done else None,
    }
    return await page(request, "sign_in.html", shown)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Check the password; an account with a second factor is asked for it next."""
    form = await checked_form(request)
    username, arrival = text_of(form, "username"), await arrival_of(request)
    try:
        session = await services_of(request).sessions.sign_in(
            username,
            password_of(form, "password"),
            source=arrival.source,
            channel=arrival.channel,
            device_secret=arrival.device_secret,
            device_label=arrival.device_label,
        )
    except TrustServiceError as error:
        return await _sign_in(request, errors=wrong(request, error), username=username)
    return await go_on(request, session, following_of(request))


@router.get("/sign-in/code")
async def mobile_page(request: Request) -> Response:
    """Ask for the mobile number."""
    return await _mobile(request)


async def _mobile(request: Request, errors: Wrong | None = None, **facts: Any) -> Response:  # noqa: ANN401 - facts of the page
    query = step_query(request)
    shown = {
        "action": f"/sign-in/code{query}",
        "back": f"/sign-in{query}",
        "code_id": "",
        "sent_to": "",
        "messages": services_of(request).people.sms.configured,
        "errors": errors or {},
        **facts,
    }
    return await page(request, "sign_in_code.html", shown)


@router.post("/sign-in/code")
async def mobile(request: Request) -> Response:
    """Send a code, or open a session by the one that was sent."""
    form = await checked_form(request)
    codes = services_of(request).people.mobile_codes
    values = {"mobile": text_of(form, "mobile", limit=20)}
    code_id, sent_to = text_of(form, "code_id", limit=60), ""
    try:
        sent_to = masked_mobile(normalise_mobile(values["mobile"]))
        if text_of(form, "act") == "send":
            code_id = await codes.send(
                Purpose.SIGN_IN, values["mobile"], source=source_of(request), browser=browser_of(request)
            )
            return await _mobile(request, values=values, code_id=code_id, sent_to=sent_to)
        session = await codes.sign_in(code_id, text_of(form, "code", limit=20), await arrival_of(request))
    except TrustServiceError as error:
        found = wrong(request, error, MOBILE_FIELDS)
        return await _mobile(request, found, values=values, code_id=code_id, sent_to=sent_to if code_id else "")
    return await go_on(request, session, following_of(request))


@router.get("/second-factor")
async def second_factor_page(request: Request) -> Response:
    """Ask for a one-time code."""
    if await sessions.pending(request) is None and await sessions.current(request) is None:
        return see_other(with_next("/sign-in", following_of(request)))
    return await _second_factor(request)


async def _second_factor(request: Request, errors: Wrong | None = None) -> Response:
    following = following_of(request)
    shown: dict[str, Any] = {
        "action": with_next("/second-factor", following),
        "other": with_next("/sign-in", following),
        "errors": errors or {},
    }
    return await page(request, "second_factor.html", shown)


@router.post("/second-factor")
async def second_factor(request: Request) -> Response:
    """Finish the sign-in, or step an open session up."""
    form = await checked_form(request)
    session = await sessions.pending(request) or await sessions.current(request)
    if session is None:
        return see_other(with_next("/sign-in", following_of(request)))
    try:
        session = await services_of(request).sessions.second_factor(
            session, text_of(form, "code", limit=40), source=source_of(request)
        )
    except TrustServiceError as error:
        return await _second_factor(request, wrong(request, error, frozenset({"code"})))
    return await go_on(request, session, following_of(request))
