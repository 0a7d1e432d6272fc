"""What can sign in to the account: password, mobile, passkeys, one-time codes."""

import base64
import binascii
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.web import sessions
from api.web.arriving import arrival_of, following_of, go_on_address, keep_arrived
from api.web.csrf import checked_form, password_of, text_of
from api.web.device import device_label
from api.web.i18n import N_
from api.web.rendering import page, say, see_other
from api.web.wrong import FORM, Wrong, wrong
from foundation.errors import NotAuthenticated, TrustServiceError
from foundation.principal import Principal
from idp.people.errors import SignInRefused
from licence_vault import qr

router = APIRouter(include_in_schema=False)

MAX_CREDENTIAL_CHARS = 20_000
PASSWORD_CHANGED = N_("密码已更换，其他设备都已退出。")
OLD_PASSWORD = N_("原密码不对。")
TOTP_REMOVED = N_("动态码已关闭。")
MOBILE_VERIFIED = N_("手机号已验证，可以用它登录。")
NOTICES = {"totp-removed": TOTP_REMOVED, "mobile-verified": MOBILE_VERIFIED}
JSON_HEADERS = {"cache-control": "no-store"}


async def own_principal(request: Request) -> Principal:
    """Return the person or officer behind the session, whoever it acts for."""
    session = await sessions.current(request)
    if session is None:
        raise NotAuthenticated("Sign in first.")
    return session.own_principal()


@router.get("/security")
async def security(request: Request) -> Response:
    """Show everything that can sign in to the account."""
    done = next((text for name, text in NOTICES.items() if name in request.query_params), None)
    return await _security(request, notice=say(request, done) if done else "")


async def _security(request: Request, errors: Wrong | None = None, notice: str = "") -> Response:
    services, principal = services_of(request), await own_principal(request)
    session = await sessions.current(request)
    shown = {
        "account": await services.accounts.get(session.account_id) if session else None,
        "passkeys": [
            (base64.urlsafe_b64encode(item.credential_id).decode().rstrip("="), item)
            for item in await services.people.passkeys.of_account(principal)
        ],
        "has_totp": await services.people.second_factors.has_totp(principal),
        "messages": services.people.sms.configured,
        "errors": errors or {},
        "notice": {"kind": "good", "text": notice} if notice else None,
    }
    return await page(request, "security.html", shown)


@router.post("/security/password")
async def change_password(request: Request) -> Response:
    """Replace the password; every other session ends."""
    form = await checked_form(request)
    try:
        await services_of(request).accounts.change_password(
            await own_principal(request), password_of(form, "old_password"), password_of(form, "new_password")
        )
    except SignInRefused:
        return await _security(request, Wrong({"old_password": say(request, OLD_PASSWORD)}))
    except TrustServiceError as error:
        return await _security(request, _at(wrong(request, error), "new_password"))
    return await _security(request, notice=say(request, PASSWORD_CHANGED))


def _at(found: Wrong, field: str) -> Wrong:
    """Return the same complaint at one field."""
    sentence = next(iter(found.values()))
    return Wrong({field: sentence}, status=found.status, retry_after_seconds=found.retry_after_seconds)


@router.post("/security/totp")
async def begin_totp(request: Request) -> Response:
    """Show a new secret for an authenticator app, to be confirmed with a first code."""
    await checked_form(request)
    try:
        return await _totp(request)
    except TrustServiceError as error:
        return await _security(request, _at(wrong(request, error), "totp"))


async def _totp(request: Request, errors: Wrong | None = None) -> Response:
    enrolment = await services_of(request).second_factors.begin_totp(await own_principal(request))
    picture = base64.b64encode(qr.picture_png(enrolment.provisioning_uri)).decode()
    shown: dict[str, Any] = {
        "picture": f"data:image/png;base64,{picture}",
        "secret": enrolment.secret_base32,
        "errors": errors or {},
    }
    return await page(request, "totp.html", shown)


@router.get("/security/totp")
async def totp_page() -> Response:
    """Lead whoever reloads the secret's page back: a secret is shown once."""
    return see_other("/security")


@router.post("/security/totp/confirm")
async def confirm_totp(request: Request) -> Response:
    """Confirm the secret; the recovery codes are shown this once."""
    form = await checked_form(request)
    try:
        codes = await services_of(request).second_factors.confirm_totp(
            await own_principal(request), text_of(form, "code", limit=40)
        )
    except TrustServiceError as error:
        return await _totp(request, _at(wrong(request, error), "code"))
    return await page(request, "recovery_codes.html", {"codes": codes})


@router.post("/security/totp/remove")
async def remove_totp(request: Request) -> Response:
    """Turn one-time codes off, with a last one."""
    form = await checked_form(request)
    try:
        await services_of(request).second_factors.remove_totp(
            await own_principal(request), text_of(form, "code", limit=40)
        )
    except TrustServiceError as error:
        return await _security(request, _at(wrong(request, error), "code"))
    return see_other("/security?totp-removed")


@router.post("/security/passkeys/begin")
async def begin_passkey(request: Request) -> Response:
    """Return what the browser needs to make a passkey."""
    await checked_form(request)
    try:
        ceremony = await services_of(request).people.passkeys.begin_registration(await own_principal(request))
    except TrustServiceError as error:
        return _refused(wrong(request, error))
    return _json({"ceremony_id": ceremony.ceremony_id, "options": ceremony.options})


@router.post("/security/passkeys/finish")
async def finish_passkey(request: Request) -> Response:
    """Keep the passkey the browser made."""
    form = await checked_form(request)
    try:
        await services_of(request).people.passkeys.finish_registration(
            await own_principal(request),
            text_of(form, "ceremony_id"),
            text_of(form, "response", limit=MAX_CREDENTIAL_CHARS),
            device_label(request),
        )
    except TrustServiceError as error:
        return _refused(wrong(request, error))
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
        await services_of(request).people.passkeys.remove(await own_principal(request), identifier)
    except TrustServiceError as error:
        return await _security(request, _at(wrong(request, error), "passkeys"))
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
    try:
        session = await services_of(request).people.passkeys.finish_sign_in(
            text_of(form, "ceremony_id"),
            text_of(form, "response", limit=MAX_CREDENTIAL_CHARS),
            await arrival_of(request),
        )
    except TrustServiceError as error:
        return _refused(wrong(request, error))
    return keep_arrived(request, _json({"next": go_on_address(session, following_of(request))}), session)


def _refused(found: Wrong) -> Response:
    return _json({"error": found.get(FORM) or next(iter(found.values()))}, found.status)


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, JSON_HEADERS, media_type="application/json")
