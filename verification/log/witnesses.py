"""Having witnesses: our newest checkpoint goes to each, and comes back cosigned.

A job of its own, apart from the tree: a witness that is slow or away costs its own
cosignature and nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.errors import UpstreamUnavailable
from verification.log.cosignatures import cosignatures
from verification.log.notes import COSIGNATURE, BadNote, NoteKey
from verification.log.repository import LogRepository

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.database import Database
    from foundation.outbound import OutboundClient, OutboundResponse
    from verification.log.cosignatures import Cosignature
    from verification.log.repository import StoredCheckpoint
    from verification.log.service import TransparencyLog

ASK_EVERY = timedelta(seconds=10)
PATIENCE_SECONDS = 5.0
MAXIMUM_BYTES = 16_384
TURNS = 2
"""A witness that holds another size than we thought is asked once more from there."""

_OK, _CONFLICT = 200, 409
logger = logging.getLogger("hufu.verification")


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """A witness: its verifier key and where it takes checkpoints."""

    key: NoteKey
    url: str

    @classmethod
    def parse(cls, text: str) -> WitnessAddress:
        """Read `name+id+key address`; raises BadNote."""
        key, _, url = text.strip().partition(" ")
        if not url.startswith(("http://", "https://")):
            raise BadNote("A witness is its key, a space and its address.")
        return cls(NoteKey.parse(key, kind=COSIGNATURE), url.rstrip("/"))


@dataclass(frozen=True, slots=True)
class WitnessState:
    """How far a witness has followed our log; size 0 when it has not looked yet."""

    name: str
    size: int
    signed_at: datetime | None


@dataclass(frozen=True, slots=True)
class LogState:
    """What the public page of the log shows."""

    checkpoint: StoredCheckpoint
    key: NoteKey
    witnesses: tuple[WitnessState, ...]

    @property
    def root_b64(self) -> str:
        """Return the root as the checkpoint writes it."""
        return base64.b64encode(self.checkpoint.root).decode()


class Witnesses:
    """The witnesses of our log."""

    def __init__(
        self, database: Database, log: TransparencyLog, outbound: OutboundClient, addresses: tuple[WitnessAddress, ...]
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._log = log
        self._outbound = outbound
        self._addresses = addresses
        self._held: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the witnesses' names."""
        return tuple(address.key.name for address in self._addresses)

    async def state(self) -> LogState:
        """Return how far the log reaches and how far each witness has followed; raises NotFound before the first."""
        checkpoint, key = await self._log.checkpoint(), await self._log.verifier_key()
        async with self._database.read() as connection:
            seen = await LogRepository(connection).last_seen()
        witnesses = tuple(WitnessState(name, *seen.get(name, (0, None))) for name in self.names)
        return LogState(checkpoint, key, witnesses)

    async def ask_all(self) -> int:
        """Hand the newest checkpoint to every witness that has not cosigned it; return how many did now."""
        async with self._database.read() as connection:
            repository = LogRepository(connection)
            latest = await repository.latest_checkpoint()
            if latest is None:
                return 0
            signed = {one.witness for one in await repository.cosignatures(latest.size)}
        waiting = [address for address in self._addresses if address.key.name not in signed]
        return sum(await asyncio.gather(*(self._ask(address, latest) for address in waiting)))

    async def run(self) -> None:
        """Ask once; what a worker repeats."""
        await self.ask_all()

    async def _ask(self, address: WitnessAddress, latest: StoredCheckpoint) -> int:
        """Ask one witness; 1 when it cosigned."""
        name = address.key.name
        try:
            found = await self._cosignature(address, latest)
        except UpstreamUnavailable as error:
            logger.warning("witness not reached", extra={"witness": name, "reason": type(error).__name__})
            return 0
        if found is None:
            return 0
        async with self._database.transaction() as connection:
            await LogRepository(connection).store_cosignature(latest.size, found)
        self._held[name] = latest.size
        return 1

    async def _cosignature(self, address: WitnessAddress, latest: StoredCheckpoint) -> Cosignature | None:
        for _ in range(TURNS):
            old = min(self._held.get(address.key.name, 0), latest.size)
            response = await self._send(address, old, latest)
            body = response.body.decode("utf-8", "replace")
            if response.status == _OK:
                found = cosignatures(latest.note + body, (address.key,))
                if not found:
                    logger.error("a witness answered without its signature", extra={"witness": address.key.name})
                return found[0] if found else None
            if response.status != _CONFLICT or not body.strip().isdigit():
                break
            held = int(body)
            if held > latest.size:
                # Another process of ours was faster, or the log was put back to an older state.
                break
            self._held[address.key.name] = held
        logger.error("a witness refused", extra={"witness": address.key.name, "status": response.status})
        return None

    async def _send(self, address: WitnessAddress, old: int, latest: StoredCheckpoint) -> OutboundResponse:
        proof = await self._log.consistency(old, latest.size) if 0 < old < latest.size else ()
        lines = "".join(f"{base64.b64encode(item).decode()}\n" for item in proof)
        body = f"old {old}\n{lines}\n{latest.note}"
        return await self._outbound.request(
            "POST",
            f"{address.url}/add-checkpoint",
            headers={"content-type": "text/plain; charset=utf-8"},
            content=body.encode(),
            timeout_seconds=PATIENCE_SECONDS,
            max_bytes=MAXIMUM_BYTES,
        )
