"""The full gate on what was just sealed: uploads, new faces, samples; and a gate that is away."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.jobs import Worker
from foundation.tables import audit_log
from signing.errors import RefusedByVerification, SealingFailed
from signing.judging import Judging
from signing.model import SealRequest
from signing.tables import judged_faces, seal_intentions, seal_uses, sealed_documents
from tests.signing.conftest import CODE, MATTER
from tests.signing.test_unsealable import stored_files
from tests.verification import attacks
from tests.verification.pki import Pki
from tests.verification.samples import blank
from tests.verification.samples import seal as sealed_with
from verification.errors import SandboxUnavailable
from verification.full_gate import FullGate

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.audit import Audit
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from signing.assembly import Signing
    from signing.model import Seal

REFUSED = {
    "swa_content_in_padding": "seal.byte_range",
    "usf_unknown_subfilter": "pdf.structure",
    "ssa_p2": "seal.later_changes",
    "two_files_joined": "pdf.structure",
}
"""What the sanitiser lets pass, since it is no danger to our own seal, and what verification says of it."""


@pytest.fixture(scope="session")
def refused_uploads() -> dict[str, bytes]:
    pki = Pki()
    sealed = sealed_with(blank(), pki)
    made = chain(
        attacks.signature_wrapping(sealed),
        attacks.universal_forgery(sealed),
        attacks.certification(pki),
        attacks.transplants(sealed, pki),
    )
    return {name: document for name, document in made if name in REFUSED}


class Gate:
    """The port, answering what a test wants."""

    def __init__(self) -> None:
        self.answer: tuple[str, ...] = ()
        self.away = False
        self.asked: list[bool] = []

    async def refusals(self, document: bytes, *, field_name: str, uploaded: bool) -> tuple[str, ...]:
        assert document.startswith(b"%PDF-")
        assert field_name == "Seal1"
        self.asked.append(uploaded)
        if self.away:
            raise SandboxUnavailable("Too many files are being examined now.")
        return self.answer


@pytest.fixture
def gate(signing: Signing, database: Database, clock: FixedClock, audit: Audit) -> Gate:
    """Put a gate of the test's own behind the service, which draws no samples."""
    return gate_of(signing, database, clock, audit, one_in=0)


def gate_of(signing: Signing, database: Database, clock: FixedClock, audit: Audit, *, one_in: int) -> Gate:
    gate = Gate()
    signing.sealing._execution._judging = Judging(database, clock=clock, audit=audit, gate=gate, one_in=one_in)
    return gate


def face_of(seal: Seal, document: bytes, face: str = "food 1") -> SealRequest:
    return SealRequest(seal.seal_id, document, matter_code=MATTER, face=face)


async def left(database: Database) -> tuple[list[str], list[str | None], int, int]:
    """Return states and failures of the intentions, and how many uses and documents there are."""
    async with database.read() as connection:
        rows = (await connection.execute(select(seal_intentions).order_by(seal_intentions.c.created_at))).all()
        uses = (await connection.execute(select(seal_uses))).all()
        documents = (await connection.execute(select(sealed_documents))).all()
    return [row.state for row in rows], [row.failure for row in rows], len(uses), len(documents)


@pytest.mark.parametrize("name", sorted(REFUSED))
async def test_an_upload_that_verification_refuses_does_not_leave(
    signing: Signing,
    seal: Seal,
    client: Principal,
    licence: bytes,
    database: Database,
    blob_directory: Path,
    refused_uploads: dict[str, bytes],
    name: str,
) -> None:
    with pytest.raises(RefusedByVerification, match=REFUSED[name]):
        await signing.sealing.seal(client, SealRequest(seal.seal_id, refused_uploads[name]))
    states, (failure,), uses, documents = await left(database)
    assert (states, uses, documents) == (["failed"], 0, 0)
    assert failure is not None
    assert failure.startswith("RefusedByVerification: ")
    assert stored_files(blob_directory) == []
    async with database.read() as connection:
        failed = select(audit_log.c.object_id).where(audit_log.c.action == "seal.fail")
        assert (await connection.execute(failed)).scalars().all() == [seal.seal_id]
    # The number it would have had is the next one's.
    assert (await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))).use_number == 1


async def test_a_prepared_upload_is_refused_when_it_is_confirmed_and_nothing_of_it_stays(
    signing: Signing,
    seal: Seal,
    officer: Principal,
    database: Database,
    blob_directory: Path,
    clock: FixedClock,
    refused_uploads: dict[str, bytes],
) -> None:
    request = SealRequest(seal.seal_id, refused_uploads["two_files_joined"], matter_code=MATTER)
    prepared = await signing.sealing.prepare(officer, request)
    with pytest.raises(RefusedByVerification):
        await signing.sealing.confirm(officer, prepared.intention_id, CODE)
    clock.advance(timedelta(minutes=5))
    await signing.interrupted.look()
    assert (await left(database))[0] == ["failed"]
    assert (await left(database))[2:] == (0, 0)
    assert stored_files(blob_directory) == []


async def test_a_batch_names_the_document_that_verification_refuses(
    signing: Signing,
    seal: Seal,
    client: Principal,
    licence: bytes,
    database: Database,
    migrated_database_url: str,
    refused_uploads: dict[str, bytes],
) -> None:
    order = SealRequest(seal.seal_id, b"", matter_code=MATTER)
    batch_id = await signing.batches.start(client, [refused_uploads["two_files_joined"], licence], order)
    await Worker(database, migrated_database_url, signing.job_handlers()).drain()
    refused, sealed = await signing.batches.documents(client, batch_id)
    assert refused.refusal == "Verification would refuse the sealed document: pdf.structure."
    assert (refused.document_id, sealed.refusal) == (None, None)
    assert sealed.document_id is not None


async def test_without_a_gate_no_upload_leaves_and_what_was_confirmed_leaves_later(
    signing: Signing,
    seal: Seal,
    client: Principal,
    officer: Principal,
    licence: bytes,
    database: Database,
    clock: FixedClock,
    gate: Gate,
) -> None:
    gate.away = True
    request = SealRequest(seal.seal_id, licence, matter_code=MATTER)
    prepared = await signing.sealing.prepare(officer, request)
    with pytest.raises(SandboxUnavailable):
        await signing.sealing.seal(client, request)
    with pytest.raises(SandboxUnavailable):
        await signing.sealing.confirm(officer, prepared.intention_id, CODE)
    assert sorted((await left(database))[0]) == ["failed", "intended"]
    assert (await left(database))[2:] == (0, 0)
    gate.away = False
    clock.advance(timedelta(minutes=5))
    for _ in range(2):
        await signing.interrupted.look()
    assert (await signing.sealing.prepared_state(officer, prepared.intention_id)).document_id is not None
    assert (await left(database))[2:] == (1, 1)
    assert gate.asked == [True, True, True]


async def test_the_first_document_of_every_face_is_judged_and_the_second_is_not(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, database: Database, gate: Gate
) -> None:
    for face, asked in (("food 1", 1), ("food 1", 1), ("food 2", 2), ("food 1", 2), ("", 3), ("", 4)):
        await signing.sealing.seal_licence(client, face_of(seal, licence, face))
        assert len(gate.asked) == asked, "a face that is not named is judged every time"
    assert gate.asked == [False] * 4
    async with database.read() as connection:
        faces = (await connection.execute(select(judged_faces.c.face).order_by(judged_faces.c.face))).scalars().all()
        noted = select(audit_log.c.object_id).where(audit_log.c.action == "seal.face_judged")
        audited = (await connection.execute(noted)).scalars().all()
    assert faces == sorted(audited) == ["food 1", "food 2"]


async def test_a_new_face_that_is_refused_or_cannot_be_judged_does_not_leave(
    signing: Signing,
    seal: Seal,
    client: Principal,
    licence: bytes,
    database: Database,
    blob_directory: Path,
    gate: Gate,
) -> None:
    gate.answer = ("pdf.readers_agree",)
    with pytest.raises(SealingFailed, match=r"pdf\.readers_agree"):
        await signing.sealing.seal_licence(client, face_of(seal, licence))
    gate.answer, gate.away = (), True
    with pytest.raises(SandboxUnavailable):
        await signing.sealing.seal_licence(client, face_of(seal, licence))
    states, _, uses, documents = await left(database)
    assert (states, uses, documents, stored_files(blob_directory)) == (["failed", "failed"], 0, 0, [])
    gate.away = False
    assert (await signing.sealing.seal_licence(client, face_of(seal, licence))).use_number == 1


async def test_a_sample_that_is_refused_stops_its_face_and_one_nobody_can_judge_is_made_up_for(
    signing: Signing,
    seal: Seal,
    client: Principal,
    licence: bytes,
    database: Database,
    clock: FixedClock,
    audit: Audit,
) -> None:
    gate = gate_of(signing, database, clock, audit, one_in=1)
    request = face_of(seal, licence)
    await signing.sealing.seal_licence(client, request)
    gate.away = True
    assert (await signing.sealing.seal_licence(client, request)).use_number == 2, "nobody waits for a sample"
    # What could not be judged is owed, also by a process that draws no sample now.
    signing.sealing._execution._judging._one_in = 0
    gate.away, gate.answer = False, ("seal.path",)
    with pytest.raises(SealingFailed, match=r"seal\.path"):
        await signing.sealing.seal_licence(client, request)
    async with database.read() as connection:
        assert (await connection.execute(select(judged_faces))).all() == []
    gate.answer = ()
    assert (await signing.sealing.seal_licence(client, request)).use_number == 3
    assert len(gate.asked) == 4
    assert (await signing.sealing.seal_licence(client, request)).use_number == 4
    assert len(gate.asked) == 4


async def test_one_in_so_many_is_drawn_by_what_is_signed(
    signing: Signing,
    database: Database,
    clock: FixedClock,
    audit: Audit,
    seal: Seal,
    officer: Principal,
    licence: bytes,
) -> None:
    prepared = await signing.sealing.prepare(officer, SealRequest(seal.seal_id, licence, matter_code=MATTER))
    intention = await signing.sealing._own_intention(officer, prepared.intention_id)
    judging = Judging(database, clock=clock, audit=audit, gate=Gate(), one_in=20)
    digests = [number.to_bytes(8) + bytes(24) for number in range(1000)]
    drawn = [judging._drawn(replace(intention, to_be_signed_digest=digest)) for digest in digests]
    assert sum(drawn) == len(digests) / 20


async def test_what_is_kept_of_the_keys_may_be_older_than_the_seal(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, clock: FixedClock
) -> None:
    """A revocation list kept for seconds may have ended by the clock: the gate looks once more before it refuses."""
    gate = signing.sealing._execution._judging._gate
    assert isinstance(gate, FullGate)
    await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))
    clock.advance(timedelta(days=40))
    assert (await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))).use_number == 2
