"""Being a witness for other logs (C2SP tlog-witness): cosign what has only grown, refuse everything else."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from foundation.errors import NotFound
from keys.errors import KeyNotFound
from keys.model import KeyPurpose
from verification.log.cosignatures import cosignature_line, cosigned_message
from verification.log.merkle import EMPTY_ROOT, HASH_BYTES, BadProof, verify_consistency
from verification.log.notes import COSIGNATURE, BadNote, Checkpoint, NoteKey, open_checkpoint, parts_of
from verification.tables import witnessed_logs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from keys.model import KeyInfo
    from keys.service import KeyService

OWNER = "witness"
"""The witness's key is one of its own: nothing but cosignatures is ever signed with it."""

MAXIMUM_PROOF = 63
OK, BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, UNPROCESSABLE = 200, 400, 403, 404, 409, 422
SIZE_TYPE, TEXT_TYPE = "text/x.tlog.size", "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """What goes back to a log: a status of the protocol and its body."""

    status: int
    body: str = ""
    media_type: str = TEXT_TYPE


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint that a log hands in, with the proof that its tree grew from the old size."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    @classmethod
    def parse(cls, unverified_body: str) -> Submission:
        """Read the body of a request; raises ValueError."""
        head, separator, note = unverified_body.partition("\n\n")
        first, *lines = head.split("\n")
        word, _, digits = first.partition(" ")
        if not separator or word != "old" or not digits.isascii() or not digits.isdigit() or digits != str(int(digits)):
            raise ValueError("old size")
        proof = tuple(base64.b64decode(line, validate=True) for line in lines)
        if len(proof) > MAXIMUM_PROOF or any(len(item) != HASH_BYTES for item in proof):
            raise ValueError("proof")
        return cls(int(digits), proof, note)


def grown(submission: Submission, new: Checkpoint, held_root: bytes) -> bool:
    """Tell whether a checkpoint's tree begins with the one we cosigned last."""
    old = submission.old_size
    if old == 0:
        return not submission.proof and (new.size > 0 or new.root == EMPTY_ROOT)
    try:
        verify_consistency(old, new.size, submission.proof, held_root, new.root)
    except BadProof:
        return False
    return True


class Witness:
    """The witness of the logs named in the settings."""

    def __init__(
        self, database: Database, clock: Clock, keys: KeyService, *, name: str, logs: tuple[NoteKey, ...]
    ) -> None:
        """Take the collaborators; `name` is the witness's own, such as `hufu.example/witness`."""
        self._database = database
        self._clock = clock
        self._keys = keys
        self._name = name
        self._logs = {key.name: key for key in logs}

    async def key(self) -> NoteKey:
        """Return the key that others check our cosignatures with; raises NotFound before it is made."""
        return self._note_key(await self._active())

    async def make_key(self, principal: Principal) -> NoteKey:
        """Return the key, making it the first time."""
        try:
            return await self.key()
        except NotFound:
            made = await self._keys.create(principal, KeyPurpose.CHECKPOINT, OWNER, "EdDSA")
            await self._keys.activate(principal, made.key_id)
            return await self.key()

    async def _active(self) -> KeyInfo:
        try:
            return await self._keys.active(KeyPurpose.CHECKPOINT, OWNER)
        except KeyNotFound as error:
            raise NotFound("This service is no witness.") from error

    def _note_key(self, info: KeyInfo) -> NoteKey:
        key = load_der_public_key(info.public_key_der)
        assert isinstance(key, Ed25519PublicKey)  # noqa: S101 - checkpoint keys are Ed25519 by their profile
        return NoteKey(self._name, key.public_bytes(Encoding.Raw, PublicFormat.Raw), COSIGNATURE)

    async def add_checkpoint(self, unverified_body: str) -> WitnessAnswer:
        """Cosign a checkpoint if its log is ours to witness and its tree only grew.

        The row of the log is held while we look and sign, so that two submissions at once
        follow each other, and the cosignature leaves after the new size is durable.
        """
        try:
            submission = Submission.parse(unverified_body)
        except (ValueError, binascii.Error):
            return WitnessAnswer(BAD_REQUEST)
        log = self._logs.get(submission.note.partition("\n")[0])
        if log is None:
            return WitnessAnswer(NOT_FOUND)
        try:
            checkpoint = open_checkpoint(submission.note, log)
        except BadNote:
            return WitnessAnswer(FORBIDDEN)
        if submission.old_size > checkpoint.size:
            return WitnessAnswer(BAD_REQUEST)
        info = await self._active()
        async with self._database.transaction() as connection:
            return await self._cosign(connection, submission, checkpoint, info)

    async def _cosign(
        self, connection: AsyncConnection, submission: Submission, new: Checkpoint, info: KeyInfo
    ) -> WitnessAnswer:
        now = self._clock.now()
        first = insert(witnessed_logs).values(
            origin=new.origin, tree_size=0, root_hash=EMPTY_ROOT, note="", cosigned_at=now
        )
        await connection.execute(first.on_conflict_do_nothing())
        held = select(witnessed_logs).where(witnessed_logs.c.origin == new.origin).with_for_update()
        row = (await connection.execute(held)).one()
        if row.tree_size != submission.old_size:
            return WitnessAnswer(CONFLICT, f"{row.tree_size}\n", SIZE_TYPE)
        if not grown(submission, new, bytes(row.root_hash)):
            return WitnessAnswer(UNPROCESSABLE)
        seconds = int(now.timestamp())
        message = cosigned_message(new.body, seconds)
        signature = await self._keys.sign_message(info.key_id, KeyPurpose.CHECKPOINT, message)
        line = cosignature_line(self._note_key(info), seconds, signature)
        log_line = self._line_of_log(submission.note)
        values = {"tree_size": new.size, "root_hash": new.root, "cosigned_at": now}
        values["note"] = f"{new.body}\n{log_line}{line}"
        await connection.execute(witnessed_logs.update().where(witnessed_logs.c.origin == new.origin).values(**values))
        return WitnessAnswer(OK, line)

    def _line_of_log(self, note: str) -> str:
        """Return the line of the log's own signature, which was checked; lines of others stay out."""
        body, lines = parts_of(note)
        key = self._logs[body.partition("\n")[0]]
        for line in lines:
            try:
                open_checkpoint(f"{body}\n{line}", key)
            except BadNote:
                continue
            return line
        message = "the log's signature was there a moment ago"
        raise AssertionError(message)

    async def checkpoint(self, origin_hash: str) -> str:
        """Return the last checkpoint we cosigned of the log whose origin has this SHA-256; raises NotFound."""
        origin = next((one for one in self._logs if hashlib.sha256(one.encode()).hexdigest() == origin_hash), None)
        async with self._database.read() as connection:
            wanted = select(witnessed_logs.c.note).where(witnessed_logs.c.origin == origin)
            note: str | None = (await connection.execute(wanted)).scalar_one_or_none()
        if not note:
            raise NotFound("No checkpoint of such a log was cosigned here.")
        return note
