"""Passkeys (Web Authentication level 3): registering, signing in, confirming an act.

User verification is always required, so that a passkey is two factors by itself. A passkey
takes no place in the throttles: nobody guesses one, and no stranger can exhaust it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput, NotAuthenticated, NotFound, StepUpRequired
from idp.people.account_repository import Accounts
from idp.people.errors import PasskeyRefused, SecondFactorRequired
from idp.people.passkey_repository import Passkeys
from idp.people.second_factor_repository import SecondFactors
from idp.people.second_factors import SecondFactorProof
from idp.people.session_repository import Sessions

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.cache import Cache
    from foundation.principal import Principal
    from idp.people.passkey_repository import Passkey
    from idp.people.session import Arrival, Session
    from idp.people.sessions import SessionService
    from idp.people.tools import Tools

CEREMONY_SECONDS = 300
FRESH = timedelta(minutes=10)
MOST_PASSKEYS = 20
LARGEST_RESPONSE = 32_768
AMR = ("pop", "user", "mfa")
"""RFC 8176: possession of a key proven, the user verified, two factors."""

REFUSED = "The passkey was not accepted; start again."


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a browser is given: an id to bring back and the options for `navigator.credentials`."""

    ceremony_id: str
    options: dict[str, Any] = field(repr=False)


class PasskeyService:
    """Use cases of passkeys."""

    def __init__(self, tools: Tools, sessions: SessionService, cache: Cache, *, issuer: str, name: str) -> None:
        """Take the shared collaborators, the sessions, the cache for challenges, and who we are."""
        self._tools = tools
        self._sessions = sessions
        self._cache = cache
        self._origin = issuer
        self._rp_id = urlsplit(issuer).hostname or ""
        self._name = name

    async def begin_registration(self, principal: Principal) -> Ceremony:
        """Begin to add a passkey; raises SecondFactorRequired, StepUpRequired (an old sign-in), NotAuthenticated."""
        async with self._tools.database.read() as connection:
            account_id = await self._account(connection, principal)
            await self._strong_enough(connection, principal, account_id)
            account = await Accounts(connection, self._tools.cipher).by_id(account_id)
            present = await Passkeys(connection).of_account(account_id)
        if account is None:
            raise NotAuthenticated("Sign in first.")
        if len(present) >= MOST_PASSKEYS:
            raise InvalidInput(f"An account has {MOST_PASSKEYS} passkeys at most.", field="passkey")
        options = generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._name,
            user_id=account_id.encode(),
            user_name=account.username,
            user_display_name=account.username,
            exclude_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in present],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
        )
        return await self._remember("register", account_id, options.challenge, options_to_json(options))

    async def finish_registration(
        self, principal: Principal, ceremony_id: str, unverified_response: str, label: str = ""
    ) -> Passkey:
        """Check what the authenticator made and keep it; raises PasskeyRefused, Conflict."""
        challenge, account_id = await self._take("register", ceremony_id)
        async with self._tools.database.read() as connection:
            if await self._account(connection, principal) != account_id:
                raise PasskeyRefused(REFUSED)
        try:
            made = verify_registration_response(
                credential=_bounded(unverified_response),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise PasskeyRefused(REFUSED) from error
        now = self._tools.clock.now()
        values: dict[str, Any] = {
            "credential_id": made.credential_id,
            "account_id": account_id,
            "public_key": made.credential_public_key,
            "sign_count": made.sign_count,
            "backed_up": made.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
            "label": label.strip()[:60] or "通行密钥",
            "created_at": now,
        }
        async with self._tools.database.transaction() as connection:
            await Passkeys(connection).add(values)
            event = AuditEvent("people.passkey_add", "account", account_id)
            await self._tools.audit.record(connection, principal, event)
            await self._tools.notices.send(connection, account_id, "people.second_factor_added", {"method": "passkey"})
            present = await Passkeys(connection).of_account(account_id)
        return next(passkey for passkey in present if passkey.credential_id == made.credential_id)

    async def begin_sign_in(self) -> Ceremony:
        """Begin a sign-in in which the authenticator itself says whose passkey it holds."""
        options = generate_authentication_options(
            rp_id=self._rp_id, user_verification=UserVerificationRequirement.REQUIRED
        )
        return await self._remember("sign_in", "", options.challenge, options_to_json(options))

    async def finish_sign_in(self, ceremony_id: str, unverified_response: str, arrival: Arrival) -> Session:
        """Open a session with both factors; raises PasskeyRefused, AccountClosed."""
        challenge, _ = await self._take("sign_in", ceremony_id)
        async with self._tools.database.transaction() as connection:
            account_id, _ = await self._check(connection, unverified_response, challenge)
        return await self._sessions.open_by(account_id, AMR, arrival)

    async def act_options(self, principal: Principal, challenge: bytes) -> dict[str, Any]:
        """Return the options that make a passkey sign `challenge`, the hash of what the user agreed to."""
        async with self._tools.database.read() as connection:
            account_id = await self._account(connection, principal)
            present = await Passkeys(connection).of_account(account_id)
        if not present:
            raise NotFound("There is no passkey on this account.")
        options = generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            allow_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in present],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        decoded: dict[str, Any] = json.loads(options_to_json(options))
        return decoded

    async def verify_act(
        self, connection: AsyncConnection, principal: Principal, unverified_response: str, challenge: bytes
    ) -> SecondFactorProof:
        """Check that the principal's own passkey signed `challenge`, in the caller's transaction.

        The caller's intention, whose hash the challenge is, is confirmed once; that makes the
        signature worth one act. Raises: PasskeyRefused.
        """
        owner = await self._account(connection, principal)
        account_id, credential_id = await self._check(connection, unverified_response, challenge)
        if account_id != owner:
            raise PasskeyRefused(REFUSED)
        reference = f"passkey:{bytes_to_base64url(credential_id)[:16]}"
        return SecondFactorProof("passkey", self._tools.clock.now(), reference)

    async def of_account(self, principal: Principal) -> tuple[Passkey, ...]:
        """Return the account's passkeys, oldest first."""
        async with self._tools.database.read() as connection:
            return await Passkeys(connection).of_account(await self._account(connection, principal))

    async def remove(self, principal: Principal, credential_id: bytes) -> None:
        """Remove a passkey of the own account; raises NotFound, SecondFactorRequired, StepUpRequired."""
        async with self._tools.database.transaction() as connection:
            account_id = await self._account(connection, principal)
            await self._strong_enough(connection, principal, account_id)
            if not await Passkeys(connection).remove(account_id, credential_id):
                raise NotFound("There is no such passkey on this account.")
            event = AuditEvent("people.passkey_remove", "account", account_id)
            await self._tools.audit.record(connection, principal, event)
            parameters = {"method": "passkey"}
            await self._tools.notices.send(connection, account_id, "people.second_factor_removed", parameters)

    async def _check(
        self, connection: AsyncConnection, unverified_response: str, challenge: bytes
    ) -> tuple[str, bytes]:
        """Return account and credential of a right answer to a challenge; raises PasskeyRefused."""
        response = _bounded(unverified_response)
        repository = Passkeys(connection)
        try:
            row = await repository.by_id(base64url_to_bytes(str(json.loads(response)["id"])))
        except (ValueError, KeyError, TypeError) as error:
            raise PasskeyRefused(REFUSED) from error
        if row is None:
            raise PasskeyRefused(REFUSED)
        try:
            checked = verify_authentication_response(
                credential=response,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise PasskeyRefused(REFUSED) from error
        if not await repository.used(row.credential_id, checked.new_sign_count, self._tools.clock.now()):
            raise PasskeyRefused(REFUSED)
        return row.account_id, row.credential_id

    async def _strong_enough(self, connection: AsyncConnection, principal: Principal, account_id: str) -> None:
        """A stolen session must not add a way in: a second factor if there is one, else a fresh sign-in."""
        owes = await SecondFactors(connection, self._tools.cipher).secret(account_id) is not None
        owes = owes or bool(await Passkeys(connection).of_account(account_id))
        if owes and "mfa" not in principal.amr:
            raise SecondFactorRequired("Confirm with the present second factor first.")
        if principal.auth_time is None or principal.auth_time + FRESH < self._tools.clock.now():
            raise StepUpRequired("Sign in again first.", max_age=int(FRESH.total_seconds()))

    async def _account(self, connection: AsyncConnection, principal: Principal) -> str:
        account_id = await Sessions(connection).account_of(principal.session_id or "")
        if account_id is None:
            raise NotAuthenticated("Sign in first.")
        return account_id

    async def _remember(self, kind: str, account_id: str, challenge: bytes, options: str) -> Ceremony:
        ceremony_id = secrets.token_urlsafe(18)
        value = json.dumps({"account_id": account_id, "challenge": bytes_to_base64url(challenge)})
        await self._cache.put(f"passkey:{kind}:{ceremony_id}", value.encode(), ttl_seconds=CEREMONY_SECONDS)
        return Ceremony(ceremony_id, json.loads(options))

    async def _take(self, kind: str, ceremony_id: str) -> tuple[bytes, str]:
        """Return challenge and account of a ceremony and forget it: each challenge is answered once."""
        stored = await self._cache.take(f"passkey:{kind}:{ceremony_id}")
        if stored is None:
            raise PasskeyRefused(REFUSED)
        value = json.loads(stored)
        return base64url_to_bytes(value["challenge"]), str(value["account_id"])


def _bounded(unverified_response: str) -> str:
    if len(unverified_response) > LARGEST_RESPONSE:
        raise PasskeyRefused(REFUSED)
    return unverified_response
