from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from typing import TYPE_CHECKING

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from foundation.audit import Audit, AuditEvent
from foundation.errors import InvalidInput, NotFound
from foundation.principal import SYSTEM
from hufu.commands import dispatch
from tests.verification.sequencing import sequence_all
from tests.verification.test_service import keys as keys  # noqa: PLC0414 - a fixture
from verification.log.audit import audit_log
from verification.log.export import ROWS_FILE, export_log
from verification.log.layout import CHECKPOINT, bundle, entries_path, number, tile_path, unbundle
from verification.log.merkle import (
    EMPTY_ROOT,
    BadProof,
    Tiles,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from verification.log.notes import BadNote, Checkpoint, NoteKey, open_checkpoint, signature_line, signed_note
from verification.log.repository import LogRepository
from verification.log.service import TransparencyLog

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from keys.assembly import Keys
    from tests.support.servers import TestServers


# The tree, against the definition of RFC 6962 written out -------------------


def plain_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(plain_root(leaves[:split]), plain_root(leaves[split:]))


def tree(leaves: list[bytes], *, batch: int = 7) -> Tiles:
    tiles = Tiles()
    for start in range(0, len(leaves), batch):
        tiles.append(start, [leaf_hash(leaf) for leaf in leaves[start : start + batch]])
    return tiles


def numbered(count: int) -> list[bytes]:
    return [hashlib.sha256(str(place).encode()).digest() for place in range(count)]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 255, 256, 257, 511, 513, 1000])
def test_the_root_is_that_of_the_definition(size: int) -> None:
    leaves = numbered(size)
    assert root(tree(leaves), size) == plain_root(leaves)
    assert root(Tiles(), 0) == EMPTY_ROOT


def test_the_rfcs_own_roots() -> None:
    # RFC 6962 test inputs of the certificate-transparency reference code.
    inputs = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43"]
    assert root(tree(inputs), 1).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root(tree(inputs), 6).hex() == "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"


BIG = numbered(70_000)
BIG_TILES = tree(BIG, batch=9_999)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, len(BIG)), st.data())
def test_inclusion_is_proven_and_nothing_else_is(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(BIG_TILES, index, size)
    expected = root(BIG_TILES, size)
    verify_inclusion(leaf_hash(BIG[index]), index, size, proof, expected)
    for wrong in ((leaf_hash(b"other"), index, proof), (leaf_hash(BIG[index]), index, (*proof, b"x" * 32))):
        with pytest.raises(BadProof):
            verify_inclusion(wrong[0], wrong[1], size, wrong[2], expected)
    if size > 1:
        with pytest.raises(BadProof):
            verify_inclusion(leaf_hash(BIG[index]), (index + 1) % size, size, proof, expected)
        with pytest.raises(BadProof):
            verify_inclusion(leaf_hash(BIG[index]), index, size, proof[:-1], expected)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, len(BIG)), st.data())
def test_growth_is_proven_and_nothing_else_is(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(BIG_TILES, old, new)
    old_root, new_root = root(BIG_TILES, old), root(BIG_TILES, new)
    verify_consistency(old, new, proof, old_root, new_root)
    with pytest.raises(BadProof):
        verify_consistency(old, new, proof, hashlib.sha256(old_root).digest(), new_root)
    if old < new:
        with pytest.raises(BadProof):
            verify_consistency(old, new, proof, old_root, hashlib.sha256(new_root).digest())
        with pytest.raises(BadProof):
            verify_consistency(old, new, (*proof, bytes(32)), old_root, new_root)


# Notes and layout -----------------------------------------------------------


def test_a_checkpoint_is_read_only_under_its_key() -> None:
    private = Ed25519PrivateKey.generate()
    key = NoteKey("hufu.example/log", private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    checkpoint = Checkpoint("hufu.example/log", 42, bytes(range(32)))
    note = signed_note(checkpoint.body, [signature_line(key, private.sign(checkpoint.body.encode()))])
    assert open_checkpoint(note, key) == checkpoint
    assert NoteKey.parse(key.text) == key
    other = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for bad in (note.replace("42", "43"), note.partition("\n\n")[0], "", note.replace("— ", "- ")):
        with pytest.raises(BadNote):
            open_checkpoint(bad, key)
    with pytest.raises(BadNote):
        open_checkpoint(note, NoteKey("hufu.example/log", other))


def test_the_specifications_example_of_a_tile_number() -> None:
    assert number(1234067) == "x001/x234/067"
    assert (number(0), number(999), number(1000)) == ("000", "999", "x001/000")


@given(st.lists(st.binary(max_size=100)))
def test_bundles_are_read_back(entries: list[bytes]) -> None:
    assert unbundle(bundle(entries)) == entries


# On the database ------------------------------------------------------------


@pytest.fixture
def log(database: Database, clock: FixedClock, keys: Keys) -> TransparencyLog:
    return TransparencyLog(database, clock, keys.service, origin="hufu.example/log")


async def record(database: Database, clock: FixedClock, count: int) -> list[int]:
    audit = Audit(clock)
    ids = []
    async with database.transaction() as connection:
        for place in range(count):
            receipt = await audit.record(connection, SYSTEM, AuditEvent("test.act", "thing", str(place), {"n": place}))
            ids.append(receipt.audit_id)
    return ids


async def test_every_row_is_in_the_tree_and_provably_so(
    log: TransparencyLog, database: Database, clock: FixedClock
) -> None:
    first = await record(database, clock, 5)
    await sequence_all(log, database)
    earlier = await log.checkpoint()
    second = await record(database, clock, 300)
    await sequence_all(log, database)
    latest = await log.checkpoint()
    key = await log.verifier_key()
    now = open_checkpoint(latest.note, key)
    for audit_id in (*first, *second[:3], second[-1]):
        proof = await log.inclusion(audit_id)
        async with database.read() as connection:
            row = await connection.execute(
                text("SELECT commitment FROM audit_log WHERE audit_id = :id"), {"id": audit_id}
            )
            commitment = bytes(row.scalar_one())
        verify_inclusion(leaf_hash(commitment), proof.leaf_index, proof.tree_size, proof.hashes, now.root)
        assert base64.b64decode(proof.hashes_b64[0]) == proof.hashes[0]
    growth = await log.consistency(earlier.size, latest.size)
    verify_consistency(earlier.size, latest.size, growth, earlier.root, latest.root)
    with pytest.raises(InvalidInput):
        await log.consistency(latest.size, latest.size + 1)
    with pytest.raises(NotFound):
        await log.inclusion(10**9)
    assert await log.sequence() == 0


async def test_an_open_transaction_holds_nobody_up_and_loses_no_row(
    log: TransparencyLog, database: Database, clock: FixedClock
) -> None:
    await sequence_all(log, database)
    before = (await log.checkpoint()).size
    audit = Audit(clock)
    async with database.transaction() as slow:
        held = await audit.record(slow, SYSTEM, AuditEvent("test.slow", "thing", "slow"))
        (quick,) = await record(database, clock, 1)
        await log.sequence()
        with pytest.raises(NotFound):
            await log.inclusion(held.audit_id)
        with pytest.raises(NotFound):
            await log.inclusion(quick)  # it waits for older transactions, never overtakes them
    await sequence_all(log, database)
    assert (await log.checkpoint()).size == before + 2
    assert {(await log.inclusion(held.audit_id)).leaf_index, (await log.inclusion(quick)).leaf_index} == {
        before,
        before + 1,
    }


async def test_the_tree_holds_no_act_up(log: TransparencyLog, database: Database, clock: FixedClock) -> None:
    await record(database, clock, 3)
    with pytest.raises(Interrupted):
        await _grow_and_fall_over(log, database, clock)
    await sequence_all(log, database)
    assert (await log.checkpoint()).size >= 53


class Interrupted(Exception):
    """A worker fell over."""


async def _grow_and_fall_over(log: TransparencyLog, database: Database, clock: FixedClock) -> None:
    """Stand in the middle of growing the tree while acts commit and another worker passes by."""
    async with database.transaction() as busy:
        tree_end = LogRepository(busy)
        assert await tree_end.try_lock()
        await tree_end.append(await tree_end.size(), await tree_end.next_rows(10))
        async with asyncio.timeout(5):
            await record(database, clock, 50)
            assert await log.sequence() == 0
        raise Interrupted


async def test_a_transaction_of_another_database_holds_nothing_back(
    log: TransparencyLog, database: Database, clock: FixedClock, servers: TestServers
) -> None:
    other = await asyncpg.connect(servers.admin_url, timeout=10)
    try:
        async with other.transaction():
            assert await other.fetchval("SELECT pg_current_xact_id()::text::bigint")
            (quick,) = await record(database, clock, 1)
            await sequence_all(log, database)
            assert await log.inclusion(quick)
    finally:
        await other.close()


async def test_two_workers_sequence_every_row_once(log: TransparencyLog, database: Database, clock: FixedClock) -> None:
    await record(database, clock, 50)
    await asyncio.gather(*(log.sequence() for _ in range(4)))
    await sequence_all(log, database)
    async with database.read() as connection:
        rows = (
            await connection.execute(text("SELECT count(*), count(DISTINCT audit_id) FROM transparency_leaves"))
        ).one()
        total = (await connection.execute(text("SELECT count(*) FROM audit_log"))).scalar_one()
    assert tuple(rows) == (total, total)


async def test_leaves_cannot_be_changed_in_the_database(
    log: TransparencyLog, database: Database, clock: FixedClock
) -> None:
    await record(database, clock, 2)
    await sequence_all(log, database)
    for statement in ("UPDATE transparency_leaves SET audit_id = 99", "DELETE FROM transparency_checkpoints"):
        with pytest.raises(Exception, match="append-only"):
            async with database.transaction() as connection:
                await connection.execute(text(statement))


async def test_twenty_thousand_rows_go_in_at_once(log: TransparencyLog, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO audit_log (recorded_at, actor, action, object_type, object_id, channel, salt, commitment)"
                " SELECT now(), 'system:system', 'test.act', 'thing', n::text, 'system', sha256(n::text::bytea),"
                " sha256(('c' || n)::bytea) FROM generate_series(1, 20000) n"
            )
        )
    await sequence_all(log, database)
    assert (await log.checkpoint()).size >= 20_000


# The auditor ----------------------------------------------------------------


@pytest.fixture
async def exported(log: TransparencyLog, database: Database, clock: FixedClock, tmp_path: Path) -> Path:
    await record(database, clock, 600)
    await sequence_all(log, database)
    await export_log(log, database, tmp_path / "log", with_rows=True)
    return tmp_path / "log"


def audit(directory: Path, *arguments: str) -> int:
    return dispatch(["log", "audit", str(directory), *arguments])


async def test_a_sound_log_has_no_findings(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(exported) == 0
    assert " 0 findings" in capsys.readouterr().out
    assert audit(exported, "--earlier", str(exported / "checkpoint")) == 0


def published_files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file() and path.name not in {"key", ROWS_FILE})


async def test_every_flip_drop_and_reorder_is_found(exported: Path) -> None:
    for path in published_files(exported):
        data = path.read_bytes()
        for place in {0, len(data) // 3, len(data) - 2}:
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            assert audit(exported) == 1, (path, place)
        path.unlink()
        assert audit(exported) == 1, path
        path.write_bytes(data)
    bundle_path = exported / "tile/entries/000"
    entries = unbundle(bundle_path.read_bytes())
    data = bundle_path.read_bytes()
    for changed in (entries[1:], [entries[1], entries[0], *entries[2:]], [*entries, entries[0]]):
        bundle_path.write_bytes(bundle(changed))
        assert audit(exported) == 1
    bundle_path.write_bytes(data)
    assert audit(exported) == 0


def as_files(entries: list[bytes]) -> tuple[dict[str, bytes], NoteKey]:
    """Return what a log of these entries publishes, and its key; nothing of the service takes part."""
    private = Ed25519PrivateKey.generate()
    key = NoteKey("hufu.example/log", private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    tiles, size = tree(entries), len(entries)
    body = Checkpoint(key.name, size, root(tiles, size)).body
    files = {CHECKPOINT: signed_note(body, [signature_line(key, private.sign(body.encode()))]).encode()}
    for start in range(0, size, 256):
        part = entries[start : start + 256]
        files[entries_path(start // 256, len(part))] = bundle(part)
    for (level, index), hashes in tiles.tiles.items():
        width = min(len(hashes) // 32, (size >> (8 * level)) - index * 256)
        files[tile_path(level, index, width)] = hashes[: width * 32]
    return files, key


PUBLISHED, PUBLISHED_KEY = as_files(numbered(700))


def changed_files(data: st.DataObject) -> dict[str, bytes]:
    """Return the published files with one change of any kind anywhere."""
    files = dict(PUBLISHED)
    kind = data.draw(st.sampled_from(("flip", "drop", "cut", "lengthen", "move", "repeat", "remove")))
    if kind in {"flip", "drop", "cut", "lengthen"}:
        path = data.draw(st.sampled_from(sorted(files)))
        content = bytearray(files.pop(path))
        if kind == "flip":
            content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "cut":
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        elif kind == "lengthen":
            content += data.draw(st.binary(min_size=1, max_size=40))
        return files if kind == "drop" else files | {path: bytes(content)}
    entries = numbered(700)
    place, other = data.draw(st.lists(st.integers(0, 699), min_size=2, max_size=2, unique=True))
    moved = entries.pop(place)
    if kind == "move":
        entries.insert(other, moved)
    elif kind == "repeat":
        entries[place:place] = [moved, moved]
    for start in range(0, 700, 256):
        files[entries_path(start // 256, min(256, 700 - start))] = bundle(entries[start : start + 256])
    return files


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_change_of_any_record_escapes_the_auditor(data: st.DataObject) -> None:
    assert not audit_log(PUBLISHED.get, PUBLISHED_KEY).findings
    files = changed_files(data)
    assert audit_log(files.get, PUBLISHED_KEY).findings


async def test_every_change_of_a_row_is_found(exported: Path) -> None:
    rows_path = exported / ROWS_FILE
    lines = rows_path.read_text().splitlines()
    fields = json.loads(lines[-5])
    forgeries = [
        [*lines[:-5], json.dumps(fields | {"actor": "officer:ofc_other"}), *lines[-4:]],
        [*lines[:-5], json.dumps(fields | {"detail": {"n": 1}}), *lines[-4:]],
        [*lines[:-5], json.dumps(fields | {"salt": os.urandom(32).hex()}), *lines[-4:]],
        lines[:-1],
        [*lines, lines[0]],
        [*lines[:-5], json.dumps(fields | {"leaf_index": fields["leaf_index"] + 1}), *lines[-4:]],
        ["not json", *lines[1:]],
    ]
    for forged in forgeries:
        rows_path.write_text("\n".join(forged) + "\n")
        assert audit(exported) == 1
    rows_path.write_text("\n".join(lines) + "\n")
    assert audit(exported) == 0


async def test_a_rewritten_history_is_found_by_a_kept_checkpoint(
    log: TransparencyLog, database: Database, clock: FixedClock, exported: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes((exported / "checkpoint").read_bytes())
    await record(database, clock, 3)
    await sequence_all(log, database)
    await export_log(log, database, tmp_path / "later", with_rows=False)
    assert audit(tmp_path / "later", "--earlier", str(kept)) == 0
    assert audit(exported, "--earlier", str(tmp_path / "later/checkpoint")) == 1


def test_wrong_usage(tmp_path: Path) -> None:
    assert audit(tmp_path) == 64
    (tmp_path / "key").write_text("junk")
    assert audit(tmp_path) == 64
