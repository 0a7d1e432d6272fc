"""Other cities: import, update and withdraw their trust lists; judge what they issue."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from foundation.audit import AuditEvent
from foundation.errors import NotFound, UpstreamUnavailable
from foundation.principal import SYSTEM
from keys.jws import sign_jws
from keys.model import KeyPurpose
from verification.codes import CodeRejected, open_code
from verification.neighbours import LONGEST_TTL_SECONDS, ask_for_list, in_turn
from verification.offline import judge_code_offline
from verification.packs import pack_of_city
from verification.qr import MalformedCode, read_code
from verification.tables import neighbour_lists, status_lists, trust_lists
from verification.trust_lists import (
    LIFE,
    LIST_PATH,
    MAXIMUM_BYTES,
    TYPE,
    BadTrustList,
    TrustList,
    list_claims,
    read_trust_list,
    require_successor,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.outbound import OutboundClient
    from foundation.principal import Principal
    from keys.assembly import Keys
    from verification.model import Report
    from verification.ports import LicenceTypes
    from verification.sources import KeysTrust
    from verification.status.encoding import StatusListToken

UPDATE_EVERY = timedelta(minutes=10)
KEPT_SECONDS = 10.0
_OK = 200
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
logger = logging.getLogger("hufu.verification")


class Cities:
    """The trust lists of other cities, and our own."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        keys: Keys,
        trust: KeysTrust,
        types: LicenceTypes,
        outbound: OutboundClient,
        *,
        service_id: str,
        city_name: str,
        issuer: str,
        verify_page: str,
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._keys = keys
        self._trust = trust
        self._types = types
        self._outbound = outbound
        self._service_id = service_id
        self._city_name = city_name
        self._issuer = issuer
        self._verify_page = verify_page
        self._kept: tuple[float, Mapping[str, TrustList]] = (float("-inf"), {})
        self._statuses: dict[tuple[str, int], tuple[float, StatusListToken]] = {}

    async def own_list(self) -> str:
        """Return this service's own trust list, signed now; its sequence is the second it was made."""
        now = self._clock.now()
        info = await self._keys.service.active(KeyPurpose.TRUST_LIST)
        trust_list = TrustList(
            service_id=self._service_id,
            city_name=self._city_name,
            sequence=int(now.timestamp()),
            issued_at=now,
            expires_at=now + LIFE,
            key_sha256=b"",
            address=f"{self._issuer}{LIST_PATH}",
            status_base_url=f"{self._issuer}/status-lists",
            verify_page=self._verify_page,
            material=await self._trust.own_material(),
            code_keys=self._trust.own_keys(KeyPurpose.QR),
            status_list_keys=self._trust.own_keys(KeyPurpose.STATUS_LIST),
            receipt_jwks=self._trust.own_receipt_keys(),
            types={item.code: item.name for item in await self._types.types()},
            status_lists=await self._published(),
        )
        return await sign_jws(
            self._keys.service, KeyPurpose.TRUST_LIST, list_claims(trust_list, info.public_key_der), typ=TYPE
        )

    async def _published(self) -> tuple[int, ...]:
        numbers = select(status_lists.c.status_list).order_by(status_lists.c.status_list)
        async with self._database.read() as connection:
            return tuple((await connection.execute(numbers)).scalars())

    async def import_list(
        self, principal: Principal, unverified_document: str, *, pinned_key_sha256: bytes | None = None
    ) -> TrustList:
        """Import a city's list, the first time with the fingerprint of its key.

        Raises: BadTrustList.
        """
        new = read_trust_list(unverified_document)
        if new.service_id == self._service_id:
            raise BadTrustList("This is our own trust list.", field="document")
        now = self._clock.now()
        async with self._database.transaction() as connection:
            chosen = select(trust_lists).where(trust_lists.c.service_id == new.service_id).with_for_update()
            held = (await connection.execute(chosen)).one_or_none()
            await self._require_own_address(connection, new)
            pinned = pinned_key_sha256 or (None if held is None else bytes(held.pinned_key_sha256))
            if pinned is None:
                raise BadTrustList("A city's first list needs the fingerprint of its key.", field="pinned_key_sha256")
            same_key = held is not None and bytes(held.pinned_key_sha256) == pinned
            require_successor(
                new, pinned_key_sha256=pinned, held_sequence=held.sequence if held and same_key else None, now=now
            )
            values = {
                "sequence": new.sequence,
                "pinned_key_sha256": pinned,
                "document": unverified_document.strip(),
                "issued_at": new.issued_at,
                "expires_at": new.expires_at,
                "imported_at": now,
                "withdrawn_at": None,
            }
            statement = insert(trust_lists).values(service_id=new.service_id, **values)
            await connection.execute(
                statement.on_conflict_do_update(index_elements=[trust_lists.c.service_id], set_=values)
            )
            detail = {"sequence": new.sequence, "key_sha256": pinned.hex()}
            event = AuditEvent("verification.import_trust_list", "trust_list", new.service_id, detail)
            await self._audit.record(connection, principal, event)
        self._kept = (float("-inf"), {})
        return new

    async def _require_own_address(self, connection: AsyncConnection, new: TrustList) -> None:
        """Refuse a list that claims our address or another city's: receipts name their giver by it."""
        held = await _held(connection, trust_lists.c.service_id != new.service_id)
        if new.issuer in {self._issuer, *(item.issuer for item in held)}:
            raise BadTrustList("The address of the trust list is another service's.", field="document")

    async def withdraw(self, principal: Principal, service_id: str) -> None:
        """Stop trusting a city at once; raises NotFound."""
        statement = (
            trust_lists.update()
            .where(trust_lists.c.service_id == service_id, trust_lists.c.withdrawn_at.is_(None))
            .values(withdrawn_at=self._clock.now())
            .returning(trust_lists.c.service_id)
        )
        async with self._database.transaction() as connection:
            if (await connection.execute(statement)).one_or_none() is None:
                raise NotFound("There is no trust list of this city in force.")
            event = AuditEvent("verification.withdraw_trust_list", "trust_list", service_id)
            await self._audit.record(connection, principal, event)
        self._kept = (float("-inf"), {})

    async def trusted(self) -> Mapping[str, TrustList]:
        """Return the lists in force now by service id; looked up at most every ten seconds."""
        if time.monotonic() - self._kept[0] >= KEPT_SECONDS:
            async with self._database.read() as connection:
                lists = await _held(connection)
            self._kept = (time.monotonic(), {item.service_id: item for item in lists})
        now = self._clock.now()
        return {name: item for name, item in self._kept[1].items() if item.is_current(now)}

    async def update_all(self) -> None:
        """Fetch every city's list anew; one that cannot be had keeps its last until it expires."""
        async with self._database.read() as connection:
            held = await _held(connection)
        done = [await in_turn("trust list not updated", city, self._update(city)) for city in held]
        if not all(done):
            logger.warning("trust lists not updated", extra={"failed": done.count(False), "of": len(done)})

    async def _update(self, held: TrustList) -> None:
        plain = held.address.startswith("http://")
        response = await self._outbound.request("GET", held.address, max_bytes=MAXIMUM_BYTES, plain_http=plain)
        if response.status != _OK:
            raise UpstreamUnavailable("The other city gives no trust list.")
        await self.import_list(SYSTEM, response.body.decode("ascii", "replace"))

    async def judge_code(self, unverified_text: str, *, at: datetime) -> Report | None:
        """Judge a code of another city by its list and its published status; None when it is not theirs."""
        try:
            contents = read_code(unverified_text).contents
        except MalformedCode:
            return None
        trusted = await self.trusted()
        city = trusted.get(contents.service_id)
        if city is None:
            return None
        try:
            open_code(unverified_text, city.code_keys)
        except CodeRejected:
            # Whose code nobody signed makes us ask no other city anything.
            token = None
        else:
            token = await self._status(city, contents.status_list)
        pages = (self._verify_page, *(item.verify_page for item in trusted.values()))

        def judge() -> Report:
            return judge_code_offline(unverified_text, pack_of_city(city, contents.status_list, token, pages), at=at)

        return await asyncio.to_thread(judge)

    async def _status(self, city: TrustList, number: int) -> StatusListToken | None:
        """Return a city's status list, at most as old as its `ttl` says; None when it, or none but an older, is had."""
        kept = self._statuses.get((city.service_id, number))
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        response = await ask_for_list(self._outbound, city, number)
        token = None if response is None else city.own_status_list(number, response.body)
        if token is None or token.facts.issued_at < await self._newest(city.service_id, number, kept and kept[1]):
            return None
        kept_for = min(token.facts.ttl_seconds, LONGEST_TTL_SECONDS)
        self._statuses[city.service_id, number] = (time.monotonic() + kept_for, token)
        return token

    async def _newest(self, service_id: str, number: int, last: StatusListToken | None) -> datetime:
        """Return when the newest list was made that we ever held under this number: nothing older is taken."""
        of_list = neighbour_lists.c.service_id == service_id, neighbour_lists.c.status_list == number
        async with self._database.read() as connection:
            fetched = (await connection.execute(select(neighbour_lists.c.issued_at).where(*of_list))).scalar()
        seen = [] if last is None else [last.facts.issued_at]
        return max([*seen, *([] if fetched is None else [fetched])], default=_NEVER)


async def _held(connection: AsyncConnection, *which: ColumnElement[bool]) -> list[TrustList]:
    """Return the lists in force, in the order of their cities, read aside since that takes its time."""
    columns = select(trust_lists.c.service_id, trust_lists.c.document).order_by(trust_lists.c.service_id)
    rows = await connection.execute(columns.where(trust_lists.c.withdrawn_at.is_(None), *which))
    return await asyncio.to_thread(_usable, rows.all())


def _usable(rows: Iterable[Row[str, str]]) -> list[TrustList]:
    """Read lists; one that an earlier release took and this one refuses is left aside, and its city named."""
    lists = []
    for service_id, document in rows:
        try:
            lists.append(read_trust_list(document))
        except BadTrustList as error:
            logger.warning("trust list held is not usable", extra={"city": service_id, "reason": str(error)})
    return lists
