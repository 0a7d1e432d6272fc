"""The person's own records: devices and sign-ins, messages, other accounts, data, and the way out."""

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.context import services_of, source_of
from api.web import cookies, sessions
from api.web.csrf import checked_form, password_of, text_of
from api.web.i18n import N_
from api.web.notices import shown as shown_notices
from api.web.pages.security import own_principal
from api.web.rendering import page, say, see_other
from api.web.wrong import FORM, Wrong, wrong
from foundation.errors import NotAuthenticated, TrustServiceError
from foundation.principal import Principal
from idp.people.account import masked_mobile
from idp.people.errors import SignInRefused
from idp.people.mobile_codes import Purpose
from idp.people.own_data import ClosingFactor
from idp.people.parties import NEEDED_LEVEL
from idp.people.passkeys import FRESH
from idp.people.session import Session

router = APIRouter(include_in_schema=False)

WRONG_PASSWORD = N_("密码不对，请重新输入。")
NOT_AGREED = N_("请先勾选“我知道注销后不能恢复”。")
CLOSE_FIELDS = frozenset({"password", "code"})


@router.get("/devices")
async def devices(request: Request) -> Response:
    """Show where the account is signed in, and every attempt to sign in."""
    own, principal = services_of(request).people.own_data, await own_principal(request)
    open_sessions, history = await own.sessions(principal), await own.history(principal)
    codes = {one.organisation_code for one in open_sessions} | {one.organisation_code for one in history}
    directory = services_of(request).directory
    organisations = {code: (await directory.organisation(code)).name for code in codes if code}
    shown = {"open_sessions": open_sessions, "history": history, "organisations": organisations}
    return await page(request, "devices.html", shown)


@router.post("/devices/{session_id}")
async def end_session(request: Request, session_id: str) -> Response:
    """Sign another device out and forget it; `others` are all but this one."""
    await checked_form(request)
    principal = await own_principal(request)
    if session_id == "others":
        await services_of(request).sessions.sign_out_everywhere(principal)
    else:
        await services_of(request).people.own_data.forget_device(principal, session_id)
    return see_other("/devices")


@router.get("/notices")
async def notices(request: Request) -> Response:
    """Show the account's messages; those shown count as read from now on."""
    own, principal = services_of(request).people.own_data, await own_principal(request)
    found = await own.inbox(principal)
    await own.read_inbox(principal, [notice.notice_id for notice in found if notice.read_at is None])
    return await page(request, "notices.html", {"notices": shown_notices(found)})


@router.post("/notices")
async def read_notices(request: Request) -> Response:
    """Take the start page's messages as read."""
    await checked_form(request)
    own, principal = services_of(request).people.own_data, await own_principal(request)
    await own.read_inbox(principal, [notice.notice_id for notice in await own.inbox(principal)])
    return see_other("/home")


@router.get("/accounts")
async def accounts(request: Request) -> Response:
    """Offer the person's other accounts for merging, and show what is merged."""
    principal = await own_principal(request)
    if principal.person_id is None or principal.acr < NEEDED_LEVEL:
        return see_other("/real-name?next=/accounts&acr=L2")
    services = services_of(request)
    merges = [
        (merge_id, (await services.accounts.get(account_id)).username)
        for merge_id, account_id in await services.people.duplicates.merges(principal)
    ]
    shown = {"offered": await services.people.duplicates.offered(principal), "merges": merges}
    return await page(request, "accounts.html", shown)


@router.post("/accounts")
async def merge(request: Request) -> Response:
    """Ask once what merging means, then do it."""
    form = await checked_form(request)
    principal, service = await own_principal(request), services_of(request).people.duplicates
    other = next((one for one in await service.offered(principal) if one.account_id == text_of(form, "account")), None)
    if other is None:
        return see_other("/accounts")
    if text_of(form, "act") != "merge":
        return await page(request, "accounts_merge.html", {"other": other})
    await service.merge(principal, other.account_id)
    return see_other("/accounts")


@router.post("/accounts/{merge_id}")
async def undo(request: Request, merge_id: str) -> Response:
    """Separate two accounts again."""
    await checked_form(request)
    await services_of(request).people.duplicates.undo(await own_principal(request), merge_id)
    return see_other("/accounts")


@router.get("/my-data")
async def my_data(request: Request) -> Response:
    """Say what is held, and offer the file and the way out."""
    return await page(request, "my_data.html")


@router.post("/my-data")
async def export(request: Request) -> Response:
    """Give the person everything held about the account, as a file."""
    await checked_form(request)
    data = await services_of(request).people.own_data.export(await own_principal(request))
    headers = {"content-disposition": 'attachment; filename="my-data.json"', "cache-control": "no-store"}
    return Response(orjson.dumps(data, option=orjson.OPT_INDENT_2), media_type="application/json", headers=headers)


@router.get("/my-data/close")
async def close_page(request: Request) -> Response:
    """Say exactly what closing does, and ask for both factors."""
    again = "password" in request.query_params
    return await _close(request, Wrong({"password": say(request, WRONG_PASSWORD)}) if again else None)


async def _close(request: Request, errors: Wrong | None = None, code_id: str = "") -> Response:
    services, principal = services_of(request), await own_principal(request)
    account = await services.accounts.get(principal.subject_id)
    given = await _mandates_in_force(request)
    shown = {
        "account": account,
        "factor": await services.people.own_data.closing_factor(principal),
        "fresh": _fresh(request, principal),
        "last": given is not None and not await _has_others(request),
        "mandates": given or 0,
        "sent_to": masked_mobile(account.mobile) if code_id and account.mobile else "",
        "code_id": code_id,
        "errors": errors or {},
    }
    return await page(request, "close.html", shown)


def _fresh(request: Request, principal: Principal) -> bool:
    """Tell whether both factors were given just now."""
    now = services_of(request).clock.now()
    return "mfa" in principal.amr and principal.auth_time is not None and principal.auth_time + FRESH >= now


async def _has_others(request: Request) -> bool:
    """Tell whether the person has other accounts, merged with this one or not."""
    principal, duplicates = await own_principal(request), services_of(request).people.duplicates
    return bool(await duplicates.offered(principal) or await duplicates.merges(principal))


async def _mandates_in_force(request: Request) -> int | None:
    """Return how many mandates end with the person's last account; None for somebody not proven."""
    principal, mandates = await own_principal(request), services_of(request).people.mandates
    if principal.person_id is None or principal.acr < NEEDED_LEVEL:
        return None
    return sum(one.state == "active" for one in (*await mandates.given(principal), *await mandates.held(principal)))


@router.post("/my-data/close")
async def close(request: Request) -> Response:
    """Send the code that closing takes, or close the account for good."""
    form = await checked_form(request)
    services, code_id = services_of(request), text_of(form, "code_id", limit=60)
    session = await sessions.current(request)
    if session is None:
        raise NotAuthenticated("Sign in first.")
    if text_of(form, "act") == "send":
        return await _send(request, code_id)
    if text_of(form, "agreed") != "yes":
        return await _close(request, Wrong({"agreed": say(request, NOT_AGREED)}), code_id)
    stepped = session
    try:
        stepped = await _stepped_up(request, session, form)
        await services.people.own_data.close(
            stepped.own_principal(),
            password_of(form, "password"),
            source=source_of(request),
            code_id=code_id,
            unverified_code=text_of(form, "code", limit=40),
        )
    except SignInRefused:
        # The session's secret may have changed: the page is drawn anew under the new one.
        response = see_other("/my-data/close?password")
        sessions.keep(request, response, stepped)
        return response
    except TrustServiceError as error:
        return await _close(request, wrong(request, error, CLOSE_FIELDS), code_id)
    response = see_other("/sign-in?closed")
    cookies.drop(request, response, cookies.SESSION)
    return response


async def _stepped_up(request: Request, session: Session, form: FormData) -> Session:
    """Return the session after the one-time code that closing takes, where the account has such codes."""
    services = services_of(request)
    factor = await services.people.own_data.closing_factor(session.own_principal())
    if factor is not ClosingFactor.ONE_TIME_CODE or _fresh(request, session.own_principal()):
        return session
    return await services.sessions.second_factor(session, text_of(form, "code", limit=40), source=source_of(request))


async def _send(request: Request, code_id: str) -> Response:
    services, principal = services_of(request), await own_principal(request)
    account = await services.accounts.get(principal.subject_id)
    try:
        code_id = await services.people.mobile_codes.send(
            Purpose.CLOSE, account.mobile or "", source=source_of(request), principal=principal
        )
    except TrustServiceError as error:
        return await _close(request, Wrong({FORM: next(iter(wrong(request, error).values()))}), code_id)
    return await _close(request, code_id=code_id)
