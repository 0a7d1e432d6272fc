"""Publishes the status lists: looks for changes, signs, stores, serves.

A list is signed again when a value in it changed, or when two thirds of its life are
over; between that it is the same bytes for everybody, so that caches hold it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from foundation.errors import NotFound
from keys.algorithms import raw_signature
from keys.jws import sign_jws
from keys.model import KeyPurpose
from verification.status.encoding import (
    CWT_TYPE,
    JWT_TYPE,
    StatusListFacts,
    cose_sign1,
    cwt_parts,
    deflate,
    jwt_claims,
    pack,
    signature_structure,
)
from verification.tables import status_lists, status_looks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row

    from foundation.clock import Clock
    from foundation.database import Database
    from keys.service import KeyService
    from verification.ports import LicenceStatuses

PUBLISH_EVERY = timedelta(seconds=20)
"""A change shows within a minute: this, the time to sign, and both times below, one after the other (decision 0124)."""

TTL_SECONDS = 30
MAX_AGE_SECONDS = 5
LIFE = timedelta(hours=24)
_LOOK = (status_lists.c.status_list, status_lists.c.content_sha256, status_lists.c.issued_at)
RENEW_AFTER = timedelta(hours=8)
RENEWED_AT_A_TIME = 100
"""A look renews so many at most, so that a city's thousands of lists never hold up a change."""

LATE_COMMITS = timedelta(seconds=60)
"""A record is dated before its transaction ends; a look goes back this much further than the last."""


@dataclass(frozen=True, slots=True)
class PublishedList:
    """One form of a status list as it goes out, with what an HTTP answer needs to be cached."""

    body: bytes
    media_type: str
    etag: str
    max_age_seconds: int
    issued_at: datetime


class StatusPublisher:
    """Publishes and serves the lists; `publish_changes` runs periodically in a worker."""

    def __init__(
        self, database: Database, clock: Clock, keys: KeyService, statuses: LicenceStatuses, *, base_url: str
    ) -> None:
        """Take the collaborators; `base_url` is where lists are served, without trailing slash."""
        self._database = database
        self._clock = clock
        self._keys = keys
        self._statuses = statuses
        self._base_url = base_url

    def address(self, status_list: int) -> str:
        """Return where a list is published; its `sub`."""
        return f"{self._base_url}/status-lists/{status_list}"

    async def publish_changes(self) -> None:
        """Sign and store every list that changed or grows old.

        The first look of all goes through every list, each later one, by whichever worker, through
        those in which something happened since the last and a few of the oldest.
        """
        now = self._clock.now()
        async with self._database.read() as connection:
            since: datetime | None = (await connection.execute(select(status_looks.c.looked_at))).scalar_one_or_none()
            sizes = await self._statuses.lists(connection)
            rows = (await connection.execute(select(*_LOOK).order_by(status_lists.c.issued_at))).all()
            touched = sizes if since is None else await self._statuses.touched(connection, since - LATE_COMMITS)
        known = {row.status_list: row for row in rows}
        changed = sorted(number for number in sizes if number in touched or number not in known)
        old = [row.status_list for row in rows if now - row.issued_at >= RENEW_AFTER and row.status_list in sizes]
        for number in dict.fromkeys((*changed, *old[:RENEWED_AT_A_TIME])):
            await self._look(number, sizes[number], known.get(number), now)
        looked = insert(status_looks).values(only=True, looked_at=now)
        further = looked.on_conflict_do_update(
            index_elements=[status_looks.c.only], set_={"looked_at": now}, where=status_looks.c.looked_at < now
        )
        async with self._database.transaction() as connection:
            await connection.execute(further)

    async def _look(self, number: int, size: int, row: Row[Any, Any, Any] | None, now: datetime) -> None:
        """Publish a list unless it stands published as it is."""
        async with self._database.read() as connection:
            entries = [(entry.index, entry.value) async for entry in self._statuses.not_valid(connection, number)]
        packed = pack(size, entries)
        digest = hashlib.sha256(packed).digest()
        if row is None or row.content_sha256 != digest or now - row.issued_at >= RENEW_AFTER:
            await self._publish(number, size, packed, digest, now)

    async def _publish(self, number: int, size: int, packed: bytes, digest: bytes, now: datetime) -> None:
        facts = StatusListFacts(self.address(number), now, now + LIFE, TTL_SECONDS, deflate(packed))
        jwt = await sign_jws(self._keys, KeyPurpose.STATUS_LIST, jwt_claims(facts), typ=JWT_TYPE)
        info = await self._keys.active(KeyPurpose.STATUS_LIST)
        protected, payload = cwt_parts(facts, info.qr_key_id)
        signed = signature_structure(protected, payload)
        signature = raw_signature(info, await self._keys.sign_message(info.key_id, KeyPurpose.STATUS_LIST, signed))
        values = {
            "content_sha256": digest,
            "entries": size,
            "issued_at": now,
            "expires_at": facts.expires_at,
            "jwt": jwt,
            "cwt": cose_sign1(protected, payload, signature),
        }
        statement = insert(status_lists).values(status_list=number, **values)
        # Two workers at once: the later look at the records wins, never the earlier one.
        newer = statement.on_conflict_do_update(
            index_elements=[status_lists.c.status_list], set_=values, where=status_lists.c.issued_at < now
        )
        async with self._database.transaction() as connection:
            await connection.execute(newer)

    async def published(self, status_list: int, *, as_cwt: bool) -> PublishedList:
        """Return a list as last published; raises NotFound."""
        form = status_lists.c.cwt if as_cwt else status_lists.c.jwt
        statement = select(form.label("body"), status_lists.c.issued_at).where(
            status_lists.c.status_list == status_list
        )
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("There is no such status list.")
        body = row.body if as_cwt else row.body.encode()
        media_type = CWT_TYPE if as_cwt else f"application/{JWT_TYPE}"
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return PublishedList(body, media_type, etag, MAX_AGE_SECONDS, row.issued_at)

    async def all_cwt(self) -> Mapping[int, bytes]:
        """Return every published list in its CWT form by its number, for packs."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(status_lists.c.status_list, status_lists.c.cwt))
            return {row.status_list: row.cwt for row in rows}
