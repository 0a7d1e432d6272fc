"""Go's own transparency log code judges our checkpoints and proofs, the good and the forged."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.verification.sequencing import sequence_all
from tests.verification.test_log import BIG, BIG_TILES, record
from tests.verification.test_log import log as log  # noqa: PLC0414 - a fixture
from tests.verification.test_service import keys as keys  # noqa: PLC0414 - a fixture
from verification.log.merkle import consistency_proof, inclusion_proof, root

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from verification.log.service import TransparencyLog

FOLDER = Path(__file__).parent / "tlog_go"
DEBIAN_LIBRARIES = "/usr/share/gocode"
CASES = 150


async def judged(task: dict[str, Any], place: Path) -> dict[str, Any]:
    """Build the program from Debian's library, once a run, and let it judge."""
    go = shutil.which("go")
    assert go, "Go is needed: apt-get install golang-go golang-golang-x-mod-dev"
    environment = {
        "PATH": os.environ["PATH"],
        "GO111MODULE": "off",
        "GOPATH": DEBIAN_LIBRARIES,
        "GOCACHE": str(place / "cache"),  # without flags: those would have Go's own packages compiled anew, 20 s
    }
    program = place / "tlog"
    for command, given in (
        ((go, "build", "-o", str(program), "main.go"), b""),
        ((str(program),), json.dumps(task).encode()),
    ):
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=FOLDER,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, errors = await process.communicate(given)
        assert process.returncode == 0, errors.decode()
    found: dict[str, Any] = json.loads(printed)
    return found


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def b64s(proof: tuple[bytes, ...]) -> list[str]:
    return [b64(item) for item in proof]


def inclusions(chance: random.Random) -> tuple[list[dict[str, Any]], list[bool]]:
    """Return proofs of random leaves in random trees, each also with another leaf and with a changed hash."""
    cases, expected = [], []
    for _ in range(CASES):
        size = chance.randint(2, len(BIG))
        index = chance.randrange(size)
        proof = inclusion_proof(BIG_TILES, index, size)
        case = {"Size": size, "Index": index, "Root": b64(root(BIG_TILES, size)), "Leaf": b64(BIG[index])}
        cases.append(case | {"Proof": b64s(proof)})
        cases.append(case | {"Proof": b64s(proof), "Leaf": b64(b"another")})
        cases.append(case | {"Proof": b64s((bytes(32), *proof[1:]))})
        expected += [True, False, False]
    return cases, expected


def consistencies(chance: random.Random) -> tuple[list[dict[str, Any]], list[bool]]:
    """Return proofs between random trees, each also from another old root."""
    cases, expected = [], []
    for _ in range(CASES):
        new = chance.randint(2, len(BIG))
        old = chance.randint(1, new)
        case = {"Old": old, "New": new, "NewRoot": b64(root(BIG_TILES, new))}
        case["Proof"] = b64s(consistency_proof(BIG_TILES, old, new))
        cases.append(case | {"OldRoot": b64(root(BIG_TILES, old))})
        cases.append(case | {"OldRoot": b64(bytes(32))})
        expected += [True, False]
    return cases, expected


async def test_go_agrees_on_every_checkpoint_and_proof(
    log: TransparencyLog, database: Database, clock: FixedClock, tmp_path: Path
) -> None:
    chance = random.Random(20261122)  # noqa: S311 - cases, not secrets
    await record(database, clock, 300)
    await sequence_all(log, database)
    latest = await log.checkpoint()
    body = latest.note.partition("\n\n")[0] + "\n"
    forged = latest.note.replace(f"\n{latest.size}\n", f"\n{latest.size + 1}\n")
    included, expected_inclusions = inclusions(chance)
    grown, expected_consistencies = consistencies(chance)
    task = {
        "Key": (await log.verifier_key()).text,
        "Notes": [latest.note, forged],
        "Inclusions": included,
        "Consistencies": grown,
    }
    found = await judged(task, tmp_path)
    assert found == {
        "notes": [body, ""],
        "inclusions": expected_inclusions,
        "consistencies": expected_consistencies,
    }
