"""When a sealed file is known to have existed: its row stood in the log under a checkpoint that a witness cosigned.

For what a compromised key sealed this is the proof that no backdated signature can have: whoever holds the key can
write any time into a file, and nobody can put a row into a tree that somebody else has signed before.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from sqlalchemy import select

from foundation.audit import AuditEvent, canonical_row
from foundation.errors import NotFound
from foundation.tables import audit_log
from verification.log.cosignatures import cosignatures
from verification.log.merkle import BadProof, leaf_hash, verify_inclusion
from verification.log.notes import Checkpoint, parts_of
from verification.log.repository import LogRepository
from verification.tables import log_leaves

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import RowMapping

    from foundation.database import Database
    from verification.log.notes import NoteKey
    from verification.log.service import TransparencyLog

USE = "seal.use"
DIGEST = "sealed_sha256"
REVISIONS = 60
_END = re.compile(rb"%%EOF\r?\n?")


class PastSeals:
    """Looks sealed files up in the log by the digests of their revisions."""

    def __init__(self, database: Database, log: TransparencyLog, witnesses: tuple[NoteKey, ...]) -> None:
        """Take the collaborators; `witnesses` are the keys whose word counts."""
        self._database = database
        self._log = log
        self._witnesses = witnesses

    async def existed(self, document: bytes) -> Mapping[int, datetime]:
        """Return, by length, the revisions of a document that the log holds, each with when a witness had seen it."""
        if not self._witnesses:
            return {}
        digests = revisions(document)
        found: dict[int, datetime] = {}
        for row in await self._rows(digests):
            moment = await self._seen(row)
            if moment is not None:
                length = digests[str(row["detail"][DIGEST])]
                found[length] = min(moment, found.get(length, moment))
        return found

    async def _rows(self, digests: Collection[str]) -> list[RowMapping]:
        said = audit_log.c.detail[DIGEST].astext
        statement = (
            select(audit_log, log_leaves.c.leaf_index, log_leaves.c.commitment.label("leaf"))
            .join(log_leaves, log_leaves.c.audit_id == audit_log.c.audit_id)
            .where(audit_log.c.action == USE, said.in_(digests))
        )
        async with self._database.read() as connection:
            return list((await connection.execute(statement)).mappings().all())

    async def _seen(self, row: RowMapping) -> datetime | None:
        """Return when a witness first cosigned a tree with this very row in it, every step checked."""
        event = AuditEvent(row["action"], row["object_type"], row["object_id"], row["detail"])
        said = canonical_row(event, actor=row["actor"], channel=row["channel"], recorded_at=row["recorded_at"])
        leaf, index = bytes(row["leaf"]), int(row["leaf_index"])
        if hashlib.sha256(bytes(row["salt"]) + said).digest() != leaf:
            return None
        async with self._database.read() as connection:
            first = await LogRepository(connection).first_witnessed(index)
        if first is None:
            return None
        moments = [one.signed_at for one in cosignatures(first.note, self._witnesses)]
        stated = Checkpoint(parts_of(first.note)[0].partition("\n")[0], first.size, first.root)
        if not moments or stated.body != parts_of(first.note)[0]:
            return None
        try:
            proof = await self._log.path_of(index, first.size)
            verify_inclusion(leaf_hash(leaf), index, first.size, proof, first.root)
        except (BadProof, NotFound):
            return None
        return min(moments)


def revisions(document: bytes) -> dict[str, int]:
    """Return the SHA-256 of a document and of each of its revisions, the last of them, with their lengths."""
    ends = [match.end() for match in _END.finditer(document)][-REVISIONS:]
    digest, start, found = hashlib.sha256(), 0, {}
    for end in sorted({*ends, len(document)}):
        digest.update(memoryview(document)[start:end])
        found[digest.hexdigest()] = start = end
    return found
