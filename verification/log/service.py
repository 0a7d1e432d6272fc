"""The log's use cases: sequence what is committed, sign checkpoints, prove."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from foundation.errors import InvalidInput, NotFound
from foundation.kept import Kept
from keys.model import KeyPurpose
from verification.log.layout import bundle
from verification.log.merkle import (
    HASH_BYTES,
    TILE_WIDTH,
    BadProof,
    MissingTile,
    Tiles,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    rightmost,
    root,
)
from verification.log.notes import Checkpoint, NoteKey, signature_line, signed_note
from verification.log.repository import LogRepository, StoredCheckpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foundation.clock import Clock
    from foundation.database import Database
    from keys.model import KeyInfo
    from keys.service import KeyService

T = TypeVar("T")
SEQUENCE_EVERY = timedelta(seconds=2)
BATCH = 10_000


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Everything that shows an audit row's commitment to be in the log under a signed checkpoint."""

    leaf_index: int
    tree_size: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    @property
    def hashes_b64(self) -> tuple[str, ...]:
        """Return the hashes in base64, as an answer carries them."""
        return tuple(base64.b64encode(item).decode() for item in self.hashes)


class TransparencyLog:
    """The log of one service."""

    def __init__(self, database: Database, clock: Clock, keys: KeyService, *, origin: str) -> None:
        """Take the collaborators; `origin` names the log, such as `hufu.example/log`."""
        self._database = database
        self._clock = clock
        self._keys = keys
        self._origin = origin
        self._latest: Kept[None, tuple[int, bytes] | None] = Kept(
            self._read_latest, seconds=SEQUENCE_EVERY.total_seconds()
        )

    async def sequence(self) -> int:
        """Append every final audit row, then sign the tree as it is; return the number of rows appended."""
        appended = 0
        while (count := await self._append_batch()) > 0:
            appended += count
            if count < BATCH:
                break
        await self._sign_latest()
        return appended

    async def run(self) -> None:
        """Sequence once; what a worker repeats."""
        await self.sequence()

    async def _append_batch(self) -> int:
        async with self._database.transaction() as connection:
            repository = LogRepository(connection)
            if not await repository.try_lock():
                return 0
            size = await repository.size()
            rows = await repository.next_rows(BATCH)
            if not rows:
                return 0
            tiles = Tiles(await repository.tiles(rightmost(size)))
            changed = tiles.append(size, [leaf_hash(commitment) for _, _, commitment in rows])
            await repository.append(size, rows)
            await repository.store_tiles({key: tiles.tiles[key] for key in changed})
            return len(rows)

    async def _sign_latest(self) -> None:
        """Sign a checkpoint of what is committed; a crash before it only delays it."""
        async with self._database.read() as connection:
            repository = LogRepository(connection)
            size = await repository.size()
            latest = await repository.latest_checkpoint()
        if size == 0 or (latest is not None and latest.size >= size):
            return
        tree_root = await self._with_tiles(lambda tiles: root(tiles, size))
        checkpoint = Checkpoint(self._origin, size, tree_root)
        info = await self._keys.active(KeyPurpose.CHECKPOINT)
        signature = await self._keys.sign_message(info.key_id, KeyPurpose.CHECKPOINT, checkpoint.body.encode())
        note = signed_note(checkpoint.body, [signature_line(self._note_key(info), signature)])
        async with self._database.transaction() as connection:
            stored = StoredCheckpoint(size, tree_root, note)
            await LogRepository(connection).store_checkpoint(stored, self._clock.now())

    def _note_key(self, info: KeyInfo) -> NoteKey:
        key = load_der_public_key(info.public_key_der)
        assert isinstance(key, Ed25519PublicKey)  # noqa: S101 - checkpoint keys are Ed25519 by their profile
        return NoteKey(self._origin, key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    async def verifier_key(self) -> NoteKey:
        """Return the key that auditors check checkpoints with."""
        return self._note_key(await self._keys.active(KeyPurpose.CHECKPOINT))

    async def checkpoint(self) -> StoredCheckpoint:
        """Return the latest checkpoint with the cosignatures it has; raises NotFound before the first."""
        return await self._found(LogRepository.latest_checkpoint)

    async def witnessed_checkpoint(self) -> StoredCheckpoint:
        """Return the largest checkpoint that a witness cosigned; raises NotFound before the first."""
        return await self._found(LogRepository.witnessed_checkpoint)

    async def _found(self, find: Callable[[LogRepository], Awaitable[StoredCheckpoint | None]]) -> StoredCheckpoint:
        async with self._database.read() as connection:
            repository = LogRepository(connection)
            found = await find(repository)
            lines = [] if found is None else [one.line for one in await repository.cosignatures(found.size)]
        if found is None:
            raise NotFound("No such checkpoint is in the log yet.")
        return replace(found, note=found.note + "".join(lines))

    async def latest_tree(self) -> tuple[int, bytes] | None:
        """Return size and root of the latest checkpoint, at most two seconds old; None before the first."""
        return await self._latest(None)

    async def _read_latest(self, _: None) -> tuple[int, bytes] | None:
        async with self._database.read() as connection:
            latest = await LogRepository(connection).latest_checkpoint()
        return None if latest is None else (latest.size, latest.root)

    async def tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """Return a tile, or its first `width` hashes; raises NotFound."""
        async with self._database.read() as connection:
            found = (await LogRepository(connection).tiles([(level, index)])).get((level, index), b"")
        if not 0 < width <= TILE_WIDTH or len(found) < width * HASH_BYTES:
            raise NotFound("There is no such tile yet.")
        return found[: width * HASH_BYTES]

    async def entries(self, index: int, width: int = TILE_WIDTH) -> bytes:
        """Return an entry bundle, or its first `width` entries; raises NotFound."""
        start = index * TILE_WIDTH
        async with self._database.read() as connection:
            found = await LogRepository(connection).entries(start, start + width)
        if not 0 < width <= TILE_WIDTH or len(found) < width:
            raise NotFound("There is no such bundle yet.")
        return bundle(found)

    async def inclusion(self, audit_id: int) -> InclusionProof:
        """Prove that an audit row is in the tree of the latest checkpoint; raises NotFound while it is not."""
        latest = await self.checkpoint()
        async with self._database.read() as connection:
            index = await LogRepository(connection).leaf_of(audit_id)
        if index is None or index >= latest.size:
            raise NotFound("The log does not hold this row yet.")
        hashes = await self._with_tiles(lambda tiles: inclusion_proof(tiles, index, latest.size))
        return InclusionProof(index, latest.size, hashes, latest.note)

    async def path_of(self, leaf_index: int, tree_size: int) -> tuple[bytes, ...]:
        """Return the hashes that lead from a leaf to the root of a tree of this size; raises BadProof, NotFound."""
        return await self._with_tiles(lambda tiles: inclusion_proof(tiles, leaf_index, tree_size))

    async def consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Prove that the tree of one size is the beginning of another; raises InvalidInput."""
        async with self._database.read() as connection:
            size = await LogRepository(connection).size()
        if not 0 < old_size <= new_size <= size:
            raise InvalidInput("The sizes must grow and be no larger than the tree.", field="sizes")
        try:
            return await self._with_tiles(lambda tiles: consistency_proof(tiles, old_size, new_size))
        except BadProof as error:
            raise InvalidInput(str(error), field="sizes") from error

    async def _with_tiles(self, compute: Callable[[Tiles], T]) -> T:
        """Run a pure function over tiles, fetching each it misses."""
        tiles = Tiles()
        async with self._database.read() as connection:
            repository = LogRepository(connection)
            while True:
                try:
                    return compute(tiles)
                except MissingTile as missing:
                    found = await repository.tiles([missing.key])
                    if not found or len(found[missing.key]) <= len(tiles.tiles.get(missing.key, b"")):
                        raise NotFound("A tile of the log is missing.") from missing
                    tiles.tiles.update(found)
