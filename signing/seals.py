"""The life of a seal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from foundation.audit import AuditEvent
from foundation.errors import Conflict, InvalidInput, NotFound
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from keys.algorithms import profile_for
from keys.ca import RevocationReason
from keys.errors import CertificateAlreadyRevoked
from keys.model import KeyPurpose
from signing.errors import SealNotFound, SealStateConflict
from signing.hot_statements import find_seal
from signing.key_trial import certificate_serial, try_key
from signing.model import Seal, SealKind, SealState
from signing.seal_image import draw
from signing.seal_repository import SealRepository
from signing.seal_rules import (
    LIVE_STATES,
    SCOPE_ISSUE,
    SCOPE_SEAL,
    check_application,
    require_keeper,
    require_operator,
    require_other_person,
    require_reader,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from keys.ca import CertificateAuthority
    from keys.service import KeyService
    from signing.model import SealApplication, SealImage, SealUse
    from signing.ports import SealOfficers

MAX_REASON = 500
MAX_FILING_NUMBER = 32


class SealService:
    """Applied → approved by somebody else → made → filed → active ⇄ suspended → cancelled.

    Operators look after every seal, seal keepers apply for their own organisation's and may stop
    them. Only an operator approves, and never what they applied for themselves.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        directory: Directory,
        keys: KeyService,
        authority: CertificateAuthority,
        officers: SealOfficers,
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._directory = directory
        self._keys = keys
        self._authority = authority
        self._officers = officers

    async def apply(self, principal: Principal, application: SealApplication) -> Seal:
        """Apply for a seal (申请).

        Raises: InvalidInput, NotPermitted, GlyphMissing, UnsupportedAlgorithm, SealStateConflict when the
            organisation has a 法定名称章 already and this one does not replace it.
        """
        await require_keeper(self._officers, principal, application.organisation_code)
        profile_for(application.algorithm, KeyPurpose.SEAL)
        try:
            organisation = await self._directory.organisation(application.organisation_code)
        except NotFound:
            raise InvalidInput("There is no such organisation.", field="organisation_code") from None
        name = await asyncio.to_thread(check_application, application, organisation.name)
        seal = Seal(
            seal_id=new_id("seal"),
            organisation_code=organisation.credit_code,
            organisation_name=organisation.name,
            kind=application.kind,
            name=name,
            lower_text=application.lower_text,
            state=SealState.APPLIED,
            algorithm=application.algorithm,
            applied_by=principal.audit_name,
            applied_at=self._clock.now(),
            replaces=application.replaces,
        )
        async with self._database.transaction() as connection:
            repository = SealRepository(connection, self._cipher)
            _check_place_free(seal, await repository.of_organisation(seal.organisation_code))
            await repository.add(seal, application.holder_name)
            await self._record(connection, principal, "seal.apply", seal)
        return seal

    async def approve(self, principal: Principal, seal_id: str) -> Seal:
        """Approve an application (批准); raises FourEyesRequired, SealStateConflict."""
        require_operator(principal)
        require_other_person(principal, await self.get(seal_id))
        values = {"approved_by": principal.audit_name, "approved_at": self._clock.now()}
        return await self._move(principal, "seal.approve", seal_id, {SealState.APPLIED}, SealState.APPROVED, values)

    async def reject(self, principal: Principal, seal_id: str, *, reason: str) -> Seal:
        """Turn an application down."""
        require_operator(principal)
        values = {"reason": _reason(reason)}
        return await self._move(principal, "seal.reject", seal_id, {SealState.APPLIED}, SealState.REJECTED, values)

    async def make(self, principal: Principal, seal_id: str) -> Seal:
        """Make the seal (制作): draw its image, create its key, have its certificate issued."""
        require_operator(principal)
        seal = await self.get(seal_id)
        if seal.state is not SealState.APPROVED:
            raise _wrong_state(seal)
        async with self._database.read() as connection:
            repository = SealRepository(connection, self._cipher)
            drawn_name = await repository.holder_name(seal_id) or seal.organisation_name
        image = await asyncio.to_thread(draw, seal.kind, drawn_name, seal.lower_text)
        # Keys and certificates commit by themselves: a crash from here on leaves a key that no seal names.
        key = await self._keys.create(principal, KeyPurpose.SEAL, seal_id, seal.algorithm)
        await self._authority.issue_organisation_seal(
            principal,
            key.key_id,
            organisation_name=seal.organisation_name,
            credit_code=seal.organisation_code,
            seal_name=seal.name,
        )
        values = {"key_id": key.key_id, **repository.encrypted(image)}
        return await self._move(principal, "seal.make", seal_id, {SealState.APPROVED}, SealState.MADE, values)

    async def file(self, principal: Principal, seal_id: str, *, filing_number: str) -> Seal:
        """File the seal (备案) under the number the filing office gave; raises Conflict for a number in use."""
        require_operator(principal)
        if not (filing_number.isascii() and filing_number.isalnum() and len(filing_number) <= MAX_FILING_NUMBER):
            raise InvalidInput(
                f"A filing number has 1 to {MAX_FILING_NUMBER} letters and digits.", field="filing_number"
            )
        values = {"filing_number": filing_number}
        try:
            return await self._move(principal, "seal.file", seal_id, {SealState.MADE}, SealState.FILED, values)
        except IntegrityError as error:
            raise Conflict("Another seal is filed under this number.", field="filing_number") from error

    async def activate(self, principal: Principal, seal_id: str) -> Seal:
        """Put a filed or suspended seal to use after trying its key and certificate (启用).

        The seal it replaces is cancelled in the same transaction.
        Raises: SealKeyUnusable, SealStateConflict.
        """
        require_operator(principal)
        seal = await self.get(seal_id)
        if seal.state not in {SealState.FILED, SealState.SUSPENDED}:
            raise _wrong_state(seal)
        await try_key(self._keys, seal, at=self._clock.now())
        replaced = None if seal.replaces is None else await self.get(seal.replaces)
        now = self._clock.now()
        try:
            async with self._database.transaction() as connection:
                if replaced is not None and replaced.state in LIVE_STATES:
                    repository = SealRepository(connection, self._cipher)
                    old = await repository.move(
                        replaced.seal_id, LIVE_STATES, SealState.CANCELLED, now, {"reason": "made anew"}
                    )
                    await self._record(connection, principal, "seal.cancel", old or replaced)
                states = {SealState.FILED, SealState.SUSPENDED}
                active = await self._move_in(
                    connection, principal, "seal.activate", seal_id, states, SealState.ACTIVE, {"reason": None}
                )
        except IntegrityError as error:
            raise SealStateConflict("The organisation has another active seal of its statutory name.") from error
        if replaced is not None:
            await self._revoke(principal, replaced, RevocationReason.SUPERSEDED)
        return active

    async def suspend(self, principal: Principal, seal_id: str, *, reason: str) -> Seal:
        """Stop the use of a seal for a while (停用)."""
        await require_keeper(self._officers, principal, (await self.get(seal_id)).organisation_code)
        values = {"reason": _reason(reason)}
        return await self._move(principal, "seal.suspend", seal_id, {SealState.ACTIVE}, SealState.SUSPENDED, values)

    async def cancel(self, principal: Principal, seal_id: str, *, reason: str) -> Seal:
        """End a seal for good and revoke its certificate (注销); repeat it if the revocation failed."""
        require_operator(principal)
        values = {"reason": _reason(reason)}
        seal = await self._move(principal, "seal.cancel", seal_id, frozenset(SealState), SealState.CANCELLED, values)
        await self._revoke(principal, seal, RevocationReason.CESSATION_OF_OPERATION)
        return seal

    async def get(self, seal_id: str) -> Seal:
        """Return a seal; raises SealNotFound."""
        seal = await find_seal(self._database, seal_id)
        if seal is None:
            raise SealNotFound("There is no such seal.")
        return seal

    async def statutory_seal(self, organisation_code: str) -> Seal:
        """Return an organisation's active 法定名称章; raises SealNotFound."""
        for seal in await self.of_organisation(organisation_code):
            if seal.kind is SealKind.STATUTORY and seal.state is SealState.ACTIVE:
                return seal
        raise SealNotFound("The organisation has no active seal of its statutory name.")

    async def image(self, principal: Principal, seal_id: str) -> SealImage:
        """Return a seal's picture to an operator or its own organisation; raises SealNotFound."""
        require_reader(principal, await self.get(seal_id))
        return await self.picture(seal_id)

    async def picture(self, seal_id: str) -> SealImage:
        """Return a seal's picture for sealing; raises SealNotFound before it is made."""
        async with self._database.read() as connection:
            image = await SealRepository(connection, self._cipher).image(seal_id)
        if image is None:
            raise SealNotFound("The seal is not made yet.")
        return image

    async def of_organisation(self, organisation_code: str) -> tuple[Seal, ...]:
        """Return an organisation's seals, oldest first."""
        async with self._database.read() as connection:
            return await SealRepository(connection, self._cipher).of_organisation(organisation_code)

    async def usable_by(self, principal: Principal, *, matter_code: str | None = None) -> tuple[Seal, ...]:
        """Return the active seals the caller may use now, for one matter or for any."""
        code = principal.organisation_code
        if code is None:
            return ()
        if principal.kind is PrincipalKind.OFFICER:
            if not await self._officers.may_seal(principal, matter_code):
                return ()
            async with self._database.read() as connection:
                return await SealRepository(connection, self._cipher).usable_by_officer(
                    principal.subject_id, code, matter_code, self._clock.now()
                )
        if principal.kind is PrincipalKind.CLIENT and principal.scopes & {SCOPE_SEAL, SCOPE_ISSUE}:
            return tuple(seal for seal in await self.of_organisation(code) if seal.state is SealState.ACTIVE)
        return ()

    async def require_matter(self, matter_code: str | None) -> None:
        """Raise InvalidInput when a matter is named that no department offers."""
        if matter_code is not None:
            await self._directory.require_matter(matter_code)

    async def uses(self, principal: Principal, seal_id: str, *, before: int | None = None) -> tuple[SealUse, ...]:
        """Return up to 100 lines of the register of use, newest first; `before` pages back."""
        require_reader(principal, await self.get(seal_id))
        async with self._database.read() as connection:
            return await SealRepository(connection, self._cipher).uses(seal_id, before)

    async def _move(
        self,
        principal: Principal,
        action: str,
        seal_id: str,
        states: Collection[SealState],
        to: SealState,
        values: Mapping[str, Any],
    ) -> Seal:
        async with self._database.transaction() as connection:
            return await self._move_in(connection, principal, action, seal_id, states, to, values)

    async def _move_in(
        self,
        connection: AsyncConnection,
        principal: Principal,
        action: str,
        seal_id: str,
        states: Collection[SealState],
        to: SealState,
        values: Mapping[str, Any],
    ) -> Seal:
        repository = SealRepository(connection, self._cipher)
        seal = await repository.move(seal_id, states, to, self._clock.now(), values)
        if seal is None:
            current = await repository.find(seal_id)
            if current is None:
                raise SealNotFound("There is no such seal.")
            raise _wrong_state(current)
        await self._record(connection, principal, action, seal)
        return seal

    async def _revoke(self, principal: Principal, seal: Seal, reason: RevocationReason) -> None:
        if seal.key_id is None:
            return
        key = await self._keys.get(seal.key_id)
        try:
            await self._authority.revoke(principal, certificate_serial(key), reason)
        except CertificateAlreadyRevoked:
            return

    async def _record(
        self, connection: AsyncConnection, principal: Principal, action: str, seal: Seal, **detail: object
    ) -> None:
        facts = {"organisation_code": seal.organisation_code, "state": seal.state, "key_id": seal.key_id, **detail}
        await self._audit.record(connection, principal, AuditEvent(action, "seal", seal.seal_id, facts))


def _check_place_free(seal: Seal, others: Iterable[Seal]) -> None:
    standing = [other for other in others if other.state in LIVE_STATES]
    if seal.replaces is not None and seal.replaces not in {other.seal_id for other in standing}:
        raise InvalidInput("The seal to replace is not a standing seal of this organisation.", field="replaces")
    if seal.kind is SealKind.STATUTORY and any(
        other.kind is SealKind.STATUTORY and other.seal_id != seal.replaces for other in standing
    ):
        raise SealStateConflict("The organisation has a seal of its statutory name already.")


def _wrong_state(seal: Seal) -> SealStateConflict:
    return SealStateConflict(f"The seal is {seal.state}.")


def _reason(reason: str) -> str:
    text = reason.strip()
    if not 1 <= len(text) <= MAX_REASON:
        raise InvalidInput(f"A reason has 1 to {MAX_REASON} characters.", field="reason")
    return text
