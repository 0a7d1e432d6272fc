"""Which finished documents the full gate sees, and what becomes of its answer (decision 0090).

Every finished document has passed the fast self-check. The full gate, which takes some tens of
milliseconds, sees besides that whatever came from outside, the first document of every licence
face, a sample of the others, and every later revision.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from foundation.audit import AuditEvent
from foundation.errors import ServiceUnavailable
from signing.errors import RefusedByVerification, SealingFailed
from signing.tables import judged_faces

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from signing.intention import Intention
    from signing.ports import FullGate

logger = logging.getLogger("hufu.signing")
REMEMBERED_SECONDS = 30.0
"""How long a process goes on without looking whether a face is still in good standing."""


class Judging:
    """Asks the gate where it must be asked."""

    def __init__(self, database: Database, *, clock: Clock, audit: Audit, gate: FullGate, one_in: int) -> None:
        """Take the collaborators; `one_in` of the ordinary licence sealings is judged, none when it is 0."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._gate = gate
        self._one_in = one_in
        self._remembered: dict[str, float] = {}
        self._owed = False

    async def upload(self, document: bytes, field_name: str) -> None:
        """Let a sealed upload pass or not; raises RefusedByVerification, and ServiceUnavailable without a gate."""
        if failed := await self._gate.refusals(document, field_name=field_name, uploaded=True):
            raise RefusedByVerification(
                f"Verification would refuse the sealed document: {', '.join(failed)}.", field="document"
            )

    async def revision(self, document: bytes, field_name: str) -> None:
        """Let a later revision of a stored document pass or not; raises SealingFailed, ServiceUnavailable."""
        await self._require(document, field_name)

    async def face(self, principal: Principal, intention: Intention, face: str, document: bytes) -> None:
        """Let a sealed licence face pass or not.

        Args:
            principal: who had it sealed.
            intention: what it was sealed for.
            face: names what it was rendered by; empty when its maker does not say, which is judged every time.
            document: the whole file.

        Raises: SealingFailed; ServiceUnavailable when the face is new and there is no gate to judge it.
        """
        name = intention.layout.field_name
        if not face or not await self._known(face):
            await self._require(document, name)
            if face:
                await self._remember(principal, intention, face)
            return
        if not (self._owed or self._drawn(intention)):
            return
        try:
            await self._require(document, name)
        except ServiceUnavailable as error:
            # A sample tells of our own work, and this face has passed before: nobody waits for it. The next is judged.
            self._owed = True
            logger.warning("sample not judged", extra={"error": type(error).__name__})
            return
        except SealingFailed:
            await self._forget(face)
            raise

    def _drawn(self, intention: Intention) -> bool:
        """Draw the sample by the digest that is signed: nobody chooses it, and no process keeps count."""
        return self._one_in > 0 and int.from_bytes(intention.to_be_signed_digest[:8]) % self._one_in == 0

    async def _require(self, document: bytes, field_name: str) -> None:
        failed = await self._gate.refusals(document, field_name=field_name, uploaded=False)
        self._owed = False
        if failed:
            raise SealingFailed(f"The sealed document did not pass verification: {', '.join(failed)}.")

    async def _known(self, face: str) -> bool:
        if time.monotonic() < self._remembered.get(face, 0.0):
            return True
        async with self._database.read() as connection:
            found = await connection.execute(select(judged_faces.c.face).where(judged_faces.c.face == face))
        if found.scalar_one_or_none() is None:
            return False
        self._remembered[face] = time.monotonic() + REMEMBERED_SECONDS
        return True

    async def _remember(self, principal: Principal, intention: Intention, face: str) -> None:
        row = {"face": face, "intention_id": intention.intention_id, "judged_at": self._clock.now()}
        async with self._database.transaction() as connection:
            added = await connection.execute(insert(judged_faces).values(row).on_conflict_do_nothing())
            if added.rowcount:
                event = AuditEvent("seal.face_judged", "face", face, {"intention_id": intention.intention_id})
                await self._audit.record(connection, principal, event)
        self._remembered[face] = time.monotonic() + REMEMBERED_SECONDS

    async def _forget(self, face: str) -> None:
        """Have every document of a face judged again until one passes; other processes follow within half a minute."""
        self._remembered.pop(face, None)
        async with self._database.transaction() as connection:
            await connection.execute(delete(judged_faces).where(judged_faces.c.face == face))
