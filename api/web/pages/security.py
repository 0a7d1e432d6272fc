"""The account's own safety: where it is signed in, passkeys, one-time codes, password, own data."""

import base64
import binascii
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of, source_of
from api.dependencies import principal_of
from api.web import cookies, sessions
from api.web.csrf import checked_form, text_of
from api.web.device import device_label
from api.web.i18n import N_
from api.web.messages import told
from api.web.pages.account import go_on_address, password_of
from api.web.rendering import page, say, see_other
from foundation.errors import TrustServiceError
from foundation.principal import Channel
from idp.people.errors import SignInRefused
from idp.people.session import Arrival
from licence_vault import qr

router = APIRouter(include_in_schema=False)

MAX_CREDENTIAL_CHARS = 20_000
PASSWORD_CHANGED = N_("密码已更换，其他设备都已退出。")
OLD_PASSWORD = N_("原密码不对。")
JSON_HEADERS = {"cache-control": "no-store"}


@router.get("/security")
async def security(request: Request) -> Response:
    """Show everything that can sign in to the account."""
    return await _security(request)


async def _security(request: Request, errors: dict[str, str] | None = None, notice: str = "") -> Response:
    people, principal = services_of(request).people, principal_of(request)
    shown = {
        "open_sessions": await people.own_data.sessions(principal),
        "history": (await people.own_data.history(principal))[:20],
        "passkeys": [
            (base64.urlsafe_b64encode(item.credential_id).decode().rstrip("="), item)
            for item in await people.passkeys.of_account(principal)
        ],
        "has_totp": await people.second_factors.has_totp(principal),
        "errors": errors or {},
        "notice": {"kind": "good", "text": notice} if notice else None,
    }
    return await page(request, "security.html", shown, status=422 if errors else 200)


@router.post("/security/sessions/{session_id}")
async def end_session(request: Request, session_id: str) -> Response:
    """Sign another device out and forget it."""
    await checked_form(request)
    await services_of(request).people.own_data.forget_device(principal_of(request), session_id)
    return see_other("/security")


@router.post("/security/password")
async def change_password(request: Request) -> Response:
    """Replace the password; every other session ends."""
    form = await checked_form(request)
    try:
        await services_of(request).accounts.change_password(
            principal_of(request), password_of(form, "old_password"), password_of(form, "new_password")
        )
    except SignInRefused:
        return await _security(request, {"old_password": say(request, OLD_PASSWORD)})
    except TrustServiceError as error:
        return await _security(request, {"new_password": say(request, told(error).text)})
    return await _security(request, notice=say(request, PASSWORD_CHANGED))


@router.post("/security/totp")
async def begin_totp(request: Request) -> Response:
    """Show a new secret for an authenticator app, to be confirmed with a first code."""
    await checked_form(request)
    return await _totp(request)


async def _totp(request: Request, errors: dict[str, str] | None = None) -> Response:
    enrolment = await services_of(request).second_factors.begin_totp(principal_of(request))
    picture = base64.b64encode(qr.picture_png(enrolment.provisioning_uri)).decode()
    shown = {"picture": f"data:image/png;base64,{picture}", "secret": enrolment.secret_base32, "errors": errors or {}}
    return await page(request, "totp.html", shown, status=422 if errors else 200)


@router.post("/security/totp/confirm")
async def confirm_totp(request: Request) -> Response:
    """Confirm the secret; the recovery codes are shown this once."""
    form = await checked_form(request)
    try:
        codes = await services_of(request).second_factors.confirm_totp(
            principal_of(request), text_of(form, "code", limit=40)
        )
    except TrustServiceError as error:
        return await _totp(request, {"code": say(request, told(error).text)})
    return await page(request, "recovery_codes.html", {"codes": codes})


@router.post("/security/passkeys/begin")
async def begin_passkey(request: Request) -> Response:
    """Return what the browser needs to make a passkey."""
    await checked_form(request)
    try:
        ceremony = await services_of(request).people.passkeys.begin_registration(principal_of(request))
    except TrustServiceError as error:
        return _json({"error": say(request, told(error).text)}, 422)
    return _json({"ceremony_id": ceremony.ceremony_id, "options": ceremony.options})


@router.post("/security/passkeys/finish")
async def finish_passkey(request: Request) -> Response:
    """Keep the passkey the browser made."""
    form = await checked_form(request)
    try:
        await services_of(request).people.passkeys.finish_registration(
            principal_of(request),
            text_of(form, "ceremony_id"),
            text_of(form, "response", limit=MAX_CREDENTIAL_CHARS),
            device_label(request),
        )
    except TrustServiceError as error:
        return _json({"error": say(request, told(error).text)}, 422)
    return _json({"next": "/security"})


@router.post("/security/passkeys/{credential}")
async def remove_passkey(request: Request, credential: str) -> Response:
    """Remove a passkey of the own account."""
    await checked_form(request)
    try:
        identifier = base64.urlsafe_b64decode(credential + "=" * (-len(credential) % 4))
    except (binascii.Error, ValueError):
        identifier = b""
    try:
        await services_of(request).people.passkeys.remove(principal_of(request), identifier)
    except TrustServiceError as error:
        return await _security(request, {"passkeys": say(request, told(error).text)})
    return see_other("/security")


@router.post("/sign-in/passkey/begin")
async def begin_passkey_sign_in(request: Request) -> Response:
    """Return a challenge for whatever passkey the device holds."""
    await checked_form(request)
    ceremony = await services_of(request).people.passkeys.begin_sign_in()
    return _json({"ceremony_id": ceremony.ceremony_id, "options": ceremony.options})


@router.post("/sign-in/passkey/finish")
async def finish_passkey_sign_in(request: Request) -> Response:
    """Open a session with both factors."""
    form = await checked_form(request)
    arrival = Arrival(source_of(request), Channel.WEB, cookies.read(request, cookies.DEVICE), device_label(request))
    try:
        session = await services_of(request).people.passkeys.finish_sign_in(
            text_of(form, "ceremony_id"), text_of(form, "response", limit=MAX_CREDENTIAL_CHARS), arrival
        )
    except TrustServiceError as error:
        return _json({"error": say(request, told(error).text)}, 422)
    response = _json({"next": go_on_address(session, request.query_params.get("next", ""))})
    sessions.keep(request, response, session)
    cookies.drop(request, response, cookies.FORM)
    return response


@router.post("/security/data")
async def own_data(request: Request) -> Response:
    """Give the person everything held about the account, as a file."""
    await checked_form(request)
    data = await services_of(request).people.own_data.export(principal_of(request))
    headers = {"content-disposition": 'attachment; filename="my-data.json"', **JSON_HEADERS}
    body = orjson.dumps(data, option=orjson.OPT_INDENT_2)
    return Response(body, media_type="application/json", headers=headers)


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, JSON_HEADERS, media_type="application/json")
