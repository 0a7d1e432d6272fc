"""The holder shows licences (亮证): a one-time code, bound at its first scan, released by the phone.

1. The phone offers licences and shows the code. 2. A window scans it and says for which
matter; the code is spent. 3. The phone shows who asks for what, and releases or refuses.
4. The window collects, once, and each licence gets an access receipt; the answer
carries a signed receipt for the case file. All within five minutes of the offer.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.channels import at_counter
from foundation.errors import InvalidInput, NotPermitted
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from licence_vault.access import Entitlement, Way, is_holder, masked, party_of, works_for
from licence_vault.errors import LicenceNotFound, ShowNotFound, ShowNotReleased
from licence_vault.identifier import parse_identifier
from licence_vault.model import Licence, Mandated, Purpose
from licence_vault.reading import NO_PURPOSE, checked_purpose, require_complete
from licence_vault.receipts import Access, Receipts
from licence_vault.repository import LicenceRepository, StoredLicence
from licence_vault.show_repository import REFUSED, RELEASED, ShowRepository, StoredShow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from keys.jws import TokenSigner
    from licence_vault.catalogue import Catalogue
    from licence_vault.ports import Mandates
    from licence_vault.reading import LicenceReader

LIFETIME = timedelta(minutes=5)
CODE_DIGITS = 40
"""Digits alone, read out and typed in ten groups of four; 132 bits, above the 128 a code must have."""

MAX_LICENCES = 10
MAX_FIELDS = 80
PREFIX = "HUFU-SHOW:"
"""In front of a code where it is drawn as a QR code, so that a scanner knows what it has."""


class ShowState(StrEnum):
    """Where a show stands."""

    OFFERED = "offered"
    SCANNED = "scanned"
    RELEASED = "released"
    REFUSED = "refused"
    COLLECTED = "collected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ShowCode:
    """A fresh code; it is told once and kept only as a digest."""

    show_id: str
    code: str = field(repr=False)
    expires_at: datetime

    @property
    def qr_text(self) -> str:
        """Return what the phone draws."""
        return PREFIX + self.code


@dataclass(frozen=True, slots=True)
class Show:
    """A show as its holder and its window see it; `fields` None asks for everything on the face."""

    show_id: str
    state: ShowState
    type_names: tuple[str, ...]
    expires_at: datetime
    reader_name: str
    operator: str
    matter_code: str | None
    matter_name: str
    case_number: str
    reason: str
    fields: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a window collects: the licences and a signed receipt (compact JWS)."""

    licences: tuple[Licence, ...]
    receipt: str


class ShowService:
    """The four steps of showing."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        directory: Directory,
        catalogue: Catalogue,
        mandates: Mandates,
        reader: LicenceReader,
        receipts: TokenSigner,
        issuer: str,
    ) -> None:
        """Take the collaborators; `issuer` is the `iss` of signed receipts."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._directory = directory
        self._catalogue = catalogue
        self._mandates = mandates
        self._reader = reader
        self._receipts = receipts
        self._issuer = issuer

    async def offer(
        self, principal: Principal, identifiers: Sequence[str], *, mandate_id: str | None = None
    ) -> ShowCode:
        """Make a code for some licences of the signed-in person or enterprise, or of the giver of a mandate.

        Raises: NotPermitted, InvalidInput, LicenceNotFound, MandateRefused.
        """
        party = party_of(principal)
        if not is_holder(principal) or party is None:
            raise NotPermitted("须先完成实名认证 / prove your real name first.")
        wanted = [str(parse_identifier(identifier)) for identifier in dict.fromkeys(identifiers)]
        if not 1 <= len(wanted) <= MAX_LICENCES:
            raise InvalidInput(f"须选 1 至 {MAX_LICENCES} 份证照 / choose 1 to {MAX_LICENCES}.", field="identifiers")
        now, code = self._clock.now(), f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
        offered = ShowCode(new_id("show"), code, now + LIFETIME)
        async with self._database.transaction() as connection:
            owned = await self._owned(connection, principal, wanted, mandate_id)
            await ShowRepository(connection, self._cipher).add(
                {
                    "show_id": offered.show_id,
                    "code_hash": _hash(code),
                    "licence_ids": [one.licence_id for one in owned],
                    "person_id": party,
                    "mandate_id": mandate_id,
                    "offered_by": principal.audit_name,
                    "created_at": now,
                    "expires_at": offered.expires_at,
                }
            )
            await self._record(connection, principal, "offer", offered.show_id, licences=len(owned))
        return offered

    async def scan(
        self, principal: Principal, code: str, purpose: Purpose, fields: Sequence[str] | None = None
    ) -> Show:
        """Spend a code at a window, for a matter; nothing personal is told yet.

        Raises: NotPermitted, InvalidInput, ShowNotFound for a code that is unknown, spent or expired.
        """
        principal = self._at_window(principal)
        named = checked_purpose(purpose)
        require_complete(principal, named)
        if fields is not None and not 1 <= len(fields) <= MAX_FIELDS:
            raise InvalidInput(f"1 to {MAX_FIELDS} fields, or all of them.", field="fields")
        if named.matter_code is not None:
            await self._matter(named.matter_code)
        async with self._database.transaction() as connection:
            shows = ShowRepository(connection, self._cipher)
            show = await shows.scan(_hash(_as_shown(code)), principal, named, fields, self._clock.now())
            if show is None:
                raise ShowNotFound("亮证码无效或已使用 / the code is unknown, spent or expired.")
            await self._record(connection, principal, "scan", show.show_id, matter_code=named.matter_code)
            return await self._view(connection, show)

    async def status(self, principal: Principal, show_id: str) -> Show:
        """Return a show to its holder or to the window that scanned it; raises ShowNotFound."""
        async with self._database.read() as connection:
            show = await ShowRepository(connection, self._cipher).find(show_id)
            if show is None or not _concerns(principal, show):
                raise ShowNotFound("没有这次亮证 / no such show.")
            return await self._view(connection, show)

    async def release(self, principal: Principal, show_id: str) -> Show:
        """Let the window have what it asked for; raises ShowNotFound when it is too late or decided."""
        return await self._decide(principal, show_id, RELEASED)

    async def refuse(self, principal: Principal, show_id: str) -> Show:
        """Let the window have nothing."""
        return await self._decide(principal, show_id, REFUSED)

    async def withdraw(self, principal: Principal, show_id: str) -> None:
        """End an offer before it is collected; raises ShowNotFound."""
        async with self._database.transaction() as connection:
            shows = ShowRepository(connection, self._cipher)
            if await shows.withdraw(show_id, party_of(principal) or "", self._clock.now()) is None:
                raise ShowNotFound("没有可撤回的亮证 / nothing to withdraw.")
            await self._record(connection, principal, "withdraw", show_id)

    async def collect(self, principal: Principal, show_id: str) -> Shown:
        """Return the released licences with their receipts, once, to the window that scanned.

        Raises: NotPermitted, ShowNotReleased.
        """
        principal = self._at_window(principal)
        now = self._clock.now()
        async with self._database.transaction() as connection:
            show = await ShowRepository(connection, self._cipher).collect(show_id, principal.audit_name, now)
            if show is None:
                raise ShowNotReleased("持证人尚未同意,或已过期、已领取 / not released, expired or collected before.")
            found = await self._licences(connection, show.licence_ids)
            granted = [await self._granted(connection, principal, show, one) for one in found]
            purpose = Purpose(show.matter_code, show.case_number, show.reason, show.operator)
            views = await self._reader.views(connection, found)
            receipts = Receipts(connection, self._cipher, self._audit)
            ids = [
                await receipts.leave(Access(principal, one, way, purpose, now, show.mandate_id))
                for one, way in zip(found, granted, strict=True)
            ]
            await self._record(connection, principal, "collect", show_id, accesses=ids)
        licences = tuple(
            replace(masked(view, way), access_id=access_id)
            for view, way, access_id in zip(views, granted, ids, strict=True)
        )
        return Shown(licences, self._receipt(principal, show, licences, now))

    async def _decide(self, principal: Principal, show_id: str, decision: str) -> Show:
        async with self._database.transaction() as connection:
            shows = ShowRepository(connection, self._cipher)
            show = await shows.decide(show_id, party_of(principal) or "", decision, self._clock.now())
            if show is None:
                raise ShowNotFound("没有待确认的亮证 / nothing to decide.")
            if decision == RELEASED:
                await self._require_mandate(connection, show)
            await self._record(connection, principal, decision, show_id)
            return await self._view(connection, show)

    def _at_window(self, principal: Principal) -> Principal:
        """Return who stands at a window: an officer at a counter, or a system where it is registered to be."""
        organisation = principal.organisation_code
        if organisation is None or not works_for(principal, organisation):
            raise NotPermitted("Scanning needs an officer or a client with scope licence:read.")
        return at_counter(principal) if principal.kind is PrincipalKind.OFFICER else principal

    async def _owned(
        self, connection: AsyncConnection, principal: Principal, identifiers: Sequence[str], mandate_id: str | None
    ) -> list[StoredLicence]:
        """Return the named licences if all are the principal's, or the mandate's giver's."""
        if mandate_id is None:
            indexes = await self._reader.indexes(connection, principal)
        else:
            agent_id = principal.person_id or ""
            giver = await self._mandates.check(connection, mandate_id=mandate_id, agent_id=agent_id, asked=None)
            indexes = giver.holder_indexes
        repository = LicenceRepository(connection, self._cipher)
        owned = []
        for identifier in identifiers:
            stored = await repository.by_identifier(identifier)
            if stored is None or stored.holder_indexes.isdisjoint(indexes):
                raise LicenceNotFound("没有这份证照 / no such licence.")
            owned.append(stored)
        if mandate_id is None and len(await self._reader.entrusted(connection, principal, owned, NO_PURPOSE)) != len(
            owned
        ):
            raise LicenceNotFound("没有这份证照 / no such licence.")
        return owned

    async def _require_mandate(self, connection: AsyncConnection, show: StoredShow) -> None:
        """Refuse a release that the mandate does not cover, before the window is told to collect."""
        if show.mandate_id is None:
            return
        for stored in await self._licences(connection, show.licence_ids):
            asked = _mandated(show, stored)
            await self._mandates.check(connection, mandate_id=show.mandate_id, agent_id=show.person_id, asked=asked)

    async def _granted(
        self, connection: AsyncConnection, principal: Principal, show: StoredShow, stored: StoredLicence
    ) -> Entitlement:
        """Return what the window gets of one licence; a mandate is used now, and may be revoked by now."""
        fields = None if show.fields is None else frozenset(show.fields)
        if show.mandate_id is None:
            return Entitlement(Way.SHOWN, fields)
        giver = await self._mandates.use(
            connection, principal, mandate_id=show.mandate_id, agent_id=show.person_id, asked=_mandated(show, stored)
        )
        return Entitlement(Way.MANDATE, giver.fields if fields is None else fields)

    async def _licences(self, connection: AsyncConnection, licence_ids: Sequence[str]) -> list[StoredLicence]:
        repository = LicenceRepository(connection, self._cipher)
        found = [await repository.by_id(licence_id) for licence_id in licence_ids]
        return [one for one in found if one is not None]

    async def _matter(self, matter_code: str) -> str:
        return (await self._directory.require_matter(matter_code)).name

    async def _view(self, connection: AsyncConnection, show: StoredShow) -> Show:
        found = await self._licences(connection, show.licence_ids)
        names = [(await self._catalogue.get(one.type_code, one.type_version)).name for one in found]
        reader = "" if show.reader_code is None else (await self._directory.organisation(show.reader_code)).name
        return Show(
            show_id=show.show_id,
            state=_state(show, self._clock.now()),
            type_names=tuple(names),
            expires_at=show.expires_at,
            reader_name=reader,
            operator=show.operator,
            matter_code=show.matter_code,
            matter_name="" if show.matter_code is None else await self._matter(show.matter_code),
            case_number=show.case_number,
            reason=show.reason,
            fields=show.fields,
        )

    async def _record(
        self, connection: AsyncConnection, principal: Principal, act: str, show_id: str, **detail: object
    ) -> None:
        await self._audit.record(
            connection, principal, AuditEvent(f"licence_vault.show_{act}", "show", show_id, detail)
        )

    def _receipt(self, principal: Principal, show: StoredShow, licences: Sequence[Licence], now: datetime) -> str:
        claims = {
            "iss": self._issuer,
            "iat": int(now.timestamp()),
            "jti": show.show_id,
            "aud": principal.organisation_code,
            "matter_code": show.matter_code,
            "case_number": show.case_number,
            "licences": [
                {"identifier": one.identifier, "state": one.state.value, "access_id": one.access_id, "way": "shown"}
                for one in licences
            ],
        }
        return self._receipts.sign(claims, typ="access-receipt+jwt")


def is_show_code(unverified_text: str) -> bool:
    """Tell whether a text is a code that a holder shows to a window, and no licence's."""
    text = unicodedata.normalize("NFKC", unverified_text).strip().upper()
    return text.startswith(PREFIX) or re.fullmatch(rf"\d{{{CODE_DIGITS}}}", _as_shown(text), re.ASCII) is not None


def _as_shown(unverified_code: str) -> str:
    """Return a code as it was made: without the prefix, and without the spaces people type between groups."""
    return re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", unverified_code)).removeprefix(PREFIX.replace("-", ""))


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()


def _mandated(show: StoredShow, stored: StoredLicence) -> Mandated:
    return Mandated(show.matter_code or "", stored.type_code, show.fields or (), show.case_number)


def _concerns(principal: Principal, show: StoredShow) -> bool:
    if party_of(principal) == show.person_id:
        return True
    return show.reader is not None and principal.audit_name == show.reader


def _state(show: StoredShow, now: datetime) -> ShowState:
    if show.collected_at is not None:
        return ShowState.COLLECTED
    if show.decision == REFUSED:
        return ShowState.REFUSED
    if show.expires_at <= now:
        return ShowState.EXPIRED
    if show.decision == RELEASED:
        return ShowState.RELEASED
    return ShowState.OFFERED if show.reader is None else ShowState.SCANNED
