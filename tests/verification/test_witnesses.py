"""Witnesses of the log: what they cosign, what they refuse, and that nobody waits for them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from foundation.errors import NotFound
from foundation.outbound import OutboundClient
from foundation.principal import SYSTEM
from hufu.commands import dispatch
from tests.support.log_witness import LogWitness, grew
from tests.verification.sequencing import sequence_all
from tests.verification.test_log import BIG, BIG_TILES, numbered, record, tree
from tests.verification.test_log import log as log  # noqa: PLC0414 - a fixture
from tests.verification.test_service import keys as keys  # noqa: PLC0414 - a fixture
from verification.log.cosignatures import cosignatures, cosigner
from verification.log.export import export_log
from verification.log.merkle import consistency_proof, leaf_hash, root
from verification.log.notes import BadNote, Checkpoint, NoteKey, open_checkpoint, signature_line, signed_note
from verification.log.witness import Witness
from verification.log.witnesses import WitnessAddress, Witnesses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from keys.assembly import Keys
    from verification.log.service import TransparencyLog


@pytest.fixture
async def outbound() -> AsyncIterator[OutboundClient]:
    client = OutboundClient(("127.0.0.0/8",))
    yield client
    await client.close()


@pytest.fixture
async def two(log: TransparencyLog) -> AsyncIterator[tuple[LogWitness, LogWitness]]:
    key = (await log.verifier_key()).text
    with LogWitness(key) as first, LogWitness(key, "witness.example/w2") as second:
        yield first, second


def watched(database: Database, log: TransparencyLog, outbound: OutboundClient, *witnesses: LogWitness) -> Witnesses:
    addresses = tuple(WitnessAddress.parse(f"{one.key} {one.url}") for one in witnesses)
    return Witnesses(database, log, outbound, addresses)


REWRITE = (
    "SET LOCAL session_replication_role = replica",
    "DELETE FROM transparency_cosignatures",
    "DELETE FROM transparency_checkpoints",
    "DELETE FROM transparency_leaves",
    "DELETE FROM transparency_tiles",
    "UPDATE audit_log SET commitment = sha256(commitment)",
)


# Our log and its witnesses ---------------------------------------------------


async def test_a_growing_log_is_cosigned_again_and_again(
    log: TransparencyLog,
    database: Database,
    clock: FixedClock,
    outbound: OutboundClient,
    two: tuple[LogWitness, LogWitness],
) -> None:
    witnesses = watched(database, log, outbound, *two)
    for count in (3, 300, 1):
        await record(database, clock, count)
        await sequence_all(log, database)
        assert await witnesses.ask_all() == 2
        assert await witnesses.ask_all() == 0, "nobody is asked twice for one tree"
        note = (await log.checkpoint()).note
        found = cosignatures(note, [cosigner(one.key) for one in two])
        assert {one.witness for one in found} == {one.name for one in two}
        assert open_checkpoint(note, await log.verifier_key()).size == two[0].size == two[1].size
    # A process that starts anew does not know how far the witnesses are, and is told.
    await record(database, clock, 2)
    await sequence_all(log, database)
    assert await watched(database, log, outbound, *two).ask_all() == 2
    assert two[0].answers[-2:] == [409, 200]
    state = await witnesses.state()
    assert [(one.name, one.size) for one in state.witnesses] == [(one.name, one.size) for one in two]


@pytest.mark.parametrize("mood", ["away", "liar", "slow"])
async def test_a_bad_witness_costs_its_own_cosignature_only(
    log: TransparencyLog,
    database: Database,
    clock: FixedClock,
    outbound: OutboundClient,
    two: tuple[LogWitness, LogWitness],
    mood: str,
) -> None:
    two[0].mood = mood
    witnesses = watched(database, log, outbound, *two)
    await record(database, clock, 5)
    await sequence_all(log, database)
    asking = asyncio.create_task(witnesses.ask_all())
    await record(database, clock, 5)
    await sequence_all(log, database)
    assert mood != "slow" or not asking.done(), "acts and tree go on while a witness is slow"
    two[0].released.set()
    assert await asking == (2 if mood == "slow" else 1)
    named = {one.witness for one in cosignatures((await log.witnessed_checkpoint()).note, [cosigner(two[1].key)])}
    assert named == {two[1].name}


async def test_a_witness_refuses_a_rewritten_log(
    log: TransparencyLog,
    database: Database,
    clock: FixedClock,
    outbound: OutboundClient,
    two: tuple[LogWitness, LogWitness],
) -> None:
    witnesses = watched(database, log, outbound, *two)
    await record(database, clock, 4)
    await sequence_all(log, database)
    assert await witnesses.ask_all() == 2
    # What whoever owns the database can do: put another history in its place and sign it.
    async with database.transaction() as connection:
        for statement in REWRITE:
            await connection.execute(text(statement))
    await record(database, clock, 3)
    await sequence_all(log, database)
    assert await witnesses.ask_all() == 0
    assert two[0].answers[-1] == 422
    with pytest.raises(NotFound):
        await log.witnessed_checkpoint()


async def test_the_auditor_asks_for_witnesses(
    log: TransparencyLog,
    database: Database,
    clock: FixedClock,
    outbound: OutboundClient,
    two: tuple[LogWitness, LogWitness],
    tmp_path: Path,
) -> None:
    witnesses = watched(database, log, outbound, *two)
    await record(database, clock, 9)
    await sequence_all(log, database)
    two[1].mood = "away"
    assert await witnesses.ask_all() == 1
    await record(database, clock, 2)
    await sequence_all(log, database)
    await export_log(log, database, tmp_path / "log", with_rows=False, witnessed=True)
    audit = ["log", "audit", str(tmp_path / "log"), "--witness", two[0].key, "--witness", two[1].key]
    assert dispatch([*audit, "--witnesses-needed", "1"]) == 0
    assert dispatch(audit) == 1, "both are asked for when no number is given"
    with LogWitness((await log.verifier_key()).text) as stranger:
        assert dispatch([*audit[:3], "--witness", stranger.key]) == 1, "the name is right, the key is not"
    assert dispatch([*audit, "--witnesses-needed", "3"]) == 64
    assert dispatch([*audit[:3], "--witness", "no key"]) == 64


# We as a witness --------------------------------------------------------------


class OtherLog:
    """Another city's log, by hand."""

    def __init__(self, origin: str = "guangyuan.example/log") -> None:
        self._private = Ed25519PrivateKey.generate()
        self.key = NoteKey(origin, self._private.public_key().public_bytes_raw())

    def note(self, size: int, tree_root: bytes) -> str:
        body = Checkpoint(self.key.name, size, tree_root).body
        return signed_note(body, [signature_line(self.key, self._private.sign(body.encode()))])

    def submission(self, old: int, size: int, *, tiles: object = BIG_TILES) -> str:
        proof = consistency_proof(tiles, old, size) if 0 < old <= size else ()  # type: ignore[arg-type] # tiles
        lines = "".join(base64.b64encode(item).decode() + "\n" for item in proof)
        return f"old {old}\n{lines}\n{self.note(size, root(tiles, size))}"  # type: ignore[arg-type] # tiles


@pytest.fixture
def other() -> OtherLog:
    return OtherLog()


@pytest.fixture
async def witness(database: Database, clock: FixedClock, keys: Keys, other: OtherLog) -> Witness:
    made = Witness(database, clock, keys.service, name="hufu.example/witness", logs=(other.key,))
    await made.make_key(SYSTEM)
    return made


async def test_what_only_grew_is_cosigned(witness: Witness, other: OtherLog, clock: FixedClock) -> None:
    for old, size in ((0, 5), (5, 5), (5, 700), (700, len(BIG))):
        answer = await witness.add_checkpoint(other.submission(old, size))
        assert answer.status == 200
        (found,) = cosignatures(other.note(size, root(BIG_TILES, size)) + answer.body, [await witness.key()])
        assert found.signed_at == clock.now().replace(microsecond=0)
    note = await witness.checkpoint(hashlib.sha256(other.key.name.encode()).hexdigest())
    assert open_checkpoint(note, other.key).size == len(BIG)
    assert cosignatures(note, [await witness.key()])
    assert (await witness.make_key(SYSTEM)) == await witness.key(), "made once"


async def test_everything_else_is_refused(witness: Witness, other: OtherLog) -> None:
    assert (await witness.add_checkpoint(other.submission(0, 500))).status == 200
    fork = tree([*numbered(499), b"another"])
    forked = [*numbered(499), b"another", *numbered(9)]
    longer = tree(forked)
    unsigned = other.submission(500, 600).partition("\n— ")[0] + "\n"
    refused = {
        "another tree of the same size": (other.submission(500, 500, tiles=fork), 422),
        "a fork that goes on": (other.submission(500, 509, tiles=longer), 422),
        "an older size": (other.submission(300, 400), 409),
        "from nothing": (other.submission(0, 600), 409),
        "backwards": ("old 500\n\n" + other.note(400, root(BIG_TILES, 400)), 400),
        "no proof": ("old 500\n\n" + other.note(600, root(BIG_TILES, 600)), 422),
        "unknown log": (OtherLog("elsewhere.example/log").submission(500, 600), 404),
        "another key": (OtherLog().submission(500, 600), 403),
        "unsigned": (unsigned, 403),
        "no size": ("500\n\n" + other.note(600, root(BIG_TILES, 600)), 400),
        "leading zero": ("old 0500\n\n" + other.note(600, root(BIG_TILES, 600)), 400),
        "no number": ("old ²\n\n" + other.note(600, root(BIG_TILES, 600)), 400),
        "a long proof": ("old 500\n" + 64 * (base64.b64encode(bytes(32)).decode() + "\n") + "\nx", 400),
        "no base64": ("old 500\n!\n\n" + other.note(600, root(BIG_TILES, 600)), 400),
        "nothing": ("", 400),
    }
    found = {name: (await witness.add_checkpoint(body)).status for name, (body, _) in refused.items()}
    assert found == {name: status for name, (_, status) in refused.items()}
    conflict = await witness.add_checkpoint(other.submission(0, 600))
    assert (conflict.body, conflict.media_type) == ("500\n", "text/x.tlog.size")
    assert (await witness.add_checkpoint(other.submission(500, 600))).status == 200, "nothing of it was kept"


async def test_of_two_submissions_at_once_one_is_cosigned(witness: Witness, other: OtherLog) -> None:
    answers = await asyncio.gather(*(witness.add_checkpoint(other.submission(0, size)) for size in range(10, 18)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7


async def test_who_is_no_witness_says_so(database: Database, clock: FixedClock, keys: Keys, other: OtherLog) -> None:
    nobody = Witness(database, clock, keys.service, name="hufu.example/witness", logs=(other.key,))
    for asked in (nobody.key(), nobody.add_checkpoint(other.submission(0, 5)), nobody.checkpoint("0" * 64)):
        with pytest.raises(NotFound):
            await asked


@pytest.mark.parametrize(("old", "new"), [(1, 2), (3, 7), (4, 7), (7, 8), (255, 256), (256, 257), (300, 1000), (8, 8)])
def test_the_test_witness_checks_proofs_by_the_definition(old: int, new: int) -> None:
    proof = consistency_proof(BIG_TILES, old, new)
    roots = root(BIG_TILES, old), root(BIG_TILES, new)
    assert grew(old, new, *roots, proof)
    assert not grew(old, new, leaf_hash(b"x"), roots[1], proof)
    assert not grew(old, new, roots[0], leaf_hash(b"x"), proof)
    assert not grew(old, new, *roots, (*proof, bytes(32)))


def test_a_log_key_is_no_witness_key(other: OtherLog) -> None:
    with pytest.raises(BadNote):
        cosigner(other.key.text)
    with pytest.raises(BadNote):
        WitnessAddress.parse(other.key.text + " http://127.0.0.1")
