"""Sealing end to end: service, keys, timestamps, verification's self-check, and what peers say of the result."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pikepdf
import pytest
from sqlalchemy import select

from foundation.errors import InvalidInput, NotAuthenticated, ServiceUnavailable
from foundation.principal import Principal, PrincipalKind
from foundation.tables import audit_log
from keys.ca import Issuer
from signing.errors import (
    IntentionExpired,
    IntentionNotFound,
    IntentionSpent,
    SealedDocumentNotFound,
    SealingFailed,
    SealNotActive,
    SealNotFound,
    SealUseNotGranted,
    SecondFactorRequired,
)
from signing.model import BaselineLevel, DigestRequest, SealRequest
from signing.placement import Invisible, Rectangle
from signing.signature_field import finish
from signing.tables import seal_intentions, seal_uses
from tests.signing.conftest import BOTH_PROVIDERS, CODE, MATTER, OTHER, WRONG_CODE, OneCode
from tests.signing.documents import typeset
from tests.signing.peers import openssl_accepts_timestamp, pdfsig_verdicts, pyhanko_statuses, qpdf_is_content, run

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from keys.assembly import Keys
    from signing.assembly import Signing
    from signing.model import Seal
    from signing.placement import Placement
    from tests.support.seal_officers import Officers

pytestmark = BOTH_PROVIDERS
PLACE = Rectangle(1, 380, 80)


@pytest.mark.parametrize("placement", [PLACE, Invisible()], ids=["visible", "invisible"])
@pytest.mark.parametrize("level", [BaselineLevel.B_B, BaselineLevel.B_T])
async def test_peers_accept_a_sealed_licence(
    signing: Signing,
    seal: Seal,
    client: Principal,
    licence: bytes,
    keys: Keys,
    clock: FixedClock,
    tmp_path: Path,
    placement: Placement,
    level: BaselineLevel,
) -> None:
    sealed = await signing.sealing.seal(client, SealRequest(seal.seal_id, licence, placement, MATTER, level))
    assert sealed.level is level
    assert sealed.document.startswith(licence)
    assert sealed.sha256 == hashlib.sha256(sealed.document).digest()
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed.document)
    assert qpdf_is_content(path)
    assert pdfsig_verdicts(path) == [(True, True)]
    (status,) = await pyhanko_statuses(sealed.document, [await keys.ca.certificate_der(Issuer.ROOT)], clock.now())
    assert (status.intact, status.valid, status.trusted, status.bottom_line) == (True, True, True, True)
    assert (status.timestamp_validity is not None) == level.timestamped
    with pikepdf.open(path) as pdf, pdf.open_metadata() as metadata:
        assert metadata.pdfa_status == "3B"


async def test_openssl_accepts_the_timestamp(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, keys: Keys, tmp_path: Path, clock: FixedClock
) -> None:
    sealed = await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))
    root, infrastructure = [await keys.ca.certificate_der(issuer) for issuer in (Issuer.ROOT, Issuer.INFRASTRUCTURE)]
    result = openssl_accepts_timestamp(sealed.document, root, infrastructure, clock.now(), tmp_path)
    assert "Verification: OK" in result.stdout, result.stderr


async def test_every_use_is_recorded_for_good(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, database: Database, operator: Principal
) -> None:
    first = await signing.sealing.seal(client, SealRequest(seal.seal_id, licence, PLACE, MATTER))
    second = await signing.sealing.seal_licence(client, SealRequest(seal.seal_id, licence, PLACE, MATTER))
    assert (first.use_number, second.use_number) == (1, 2)
    uses = await signing.seals.uses(operator, seal.seal_id)
    assert [use.use_number for use in uses] == [2, 1]
    assert uses[1].used_by == "client:food-bureau"
    assert uses[1].document_digest == hashlib.sha256(licence).digest()
    assert uses[1].sealed_digest == first.sha256
    assert uses[1].matter_code == MATTER
    async with database.read() as connection:
        row = (await connection.execute(select(seal_uses).where(seal_uses.c.use_number == 1))).one()
        used = select(audit_log.c.detail).where(audit_log.c.action == "seal.use").order_by(audit_log.c.audit_id)
        events = await connection.execute(used)
        assert [event.detail["use_number"] for event in events] == [1, 2]
    assert row.placement["kind"] == "rectangle"
    assert (row.key_id, row.second_factor_method) == (seal.key_id, None)


async def test_the_register_of_use_cannot_be_changed(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, database: Database
) -> None:
    await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))
    for statement in (seal_uses.update().values(used_by="nobody"), seal_uses.delete()):
        with pytest.raises(Exception, match="append-only"):
            async with database.transaction() as connection:
                await connection.execute(statement)


async def test_an_officer_prepares_sees_and_confirms(
    signing: Signing,
    seal: Seal,
    officer: Principal,
    licence: bytes,
    second_factors: OneCode,
    database: Database,
    tmp_path: Path,
) -> None:
    prepared = await signing.sealing.prepare(officer, SealRequest(seal.seal_id, licence, PLACE, MATTER))
    assert prepared.document_digest == hashlib.sha256(licence).digest()
    assert prepared.preview.startswith(licence)
    assert prepared.pages == (1,)
    sealed = await signing.sealing.confirm(officer, prepared.intention_id, CODE)
    assert second_factors.challenges == [prepared.challenge]
    # What was shown is what is sealed: the two differ in the hole for the signature alone.
    hole = slice(prepared.preview.index(b"/Contents<000"), prepared.preview.index(b">/M(D:"))
    assert sealed.document[: hole.start] == prepared.preview[: hole.start]
    assert sealed.document[hole.stop :] == prepared.preview[hole.stop :]
    async with database.read() as connection:
        row = (await connection.execute(select(seal_uses))).one()
    assert (row.second_factor_method, row.second_factor_reference) == ("totp", "totp:off_li")
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed.document)
    assert pdfsig_verdicts(path) == [(True, True)]


async def test_a_wrong_code_leaves_the_intention_open(
    signing: Signing, seal: Seal, officer: Principal, licence: bytes
) -> None:
    prepared = await signing.sealing.prepare(officer, SealRequest(seal.seal_id, licence, PLACE, MATTER))
    with pytest.raises(NotAuthenticated):
        await signing.sealing.confirm(officer, prepared.intention_id, WRONG_CODE)
    assert (await signing.sealing.confirm(officer, prepared.intention_id, CODE)).use_number == 1


async def test_a_confirmation_counts_once_in_time_and_for_its_officer(
    signing: Signing, seal: Seal, officer: Principal, licence: bytes, clock: FixedClock
) -> None:
    request = SealRequest(seal.seal_id, licence, PLACE, MATTER)
    prepared = await signing.sealing.prepare(officer, request)
    with pytest.raises(IntentionNotFound):
        await signing.sealing.confirm(replace(officer, subject_id="off_wang"), prepared.intention_id, CODE)
    await signing.sealing.confirm(officer, prepared.intention_id, CODE)
    with pytest.raises(IntentionSpent):
        await signing.sealing.confirm(officer, prepared.intention_id, CODE)
    late = await signing.sealing.prepare(officer, request)
    clock.advance(timedelta(minutes=16))
    with pytest.raises(IntentionExpired):
        await signing.sealing.confirm(officer, late.intention_id, CODE)
    withdrawn = await signing.sealing.prepare(officer, request)
    await signing.sealing.withdraw(officer, withdrawn.intention_id)
    with pytest.raises(IntentionSpent):
        await signing.sealing.confirm(officer, withdrawn.intention_id, CODE)


async def test_a_grant_or_seal_withdrawn_after_the_preview_stops_the_sealing(
    signing: Signing, seal: Seal, officer: Principal, operator: Principal, licence: bytes
) -> None:
    request = SealRequest(seal.seal_id, licence, PLACE, MATTER)
    prepared = [await signing.sealing.prepare(officer, request) for _ in range(2)]
    await signing.seals.suspend(operator, seal.seal_id, reason="检查")
    with pytest.raises(SealNotActive):
        await signing.sealing.confirm(officer, prepared[0].intention_id, CODE)
    await signing.seals.activate(operator, seal.seal_id)
    (grant,) = await signing.grants.of_seal(operator, seal.seal_id)
    await signing.grants.withdraw(operator, grant.grant_id)
    with pytest.raises(SealUseNotGranted):
        await signing.sealing.confirm(officer, prepared[1].intention_id, CODE)


async def test_an_officer_whose_authority_to_seal_ends_seals_no_more(
    signing: Signing, seal: Seal, officer: Principal, officers: Officers, licence: bytes
) -> None:
    request = SealRequest(seal.seal_id, licence, PLACE, MATTER)
    prepared = await signing.sealing.prepare(officer, request)
    officers.forbidden.add(officer.subject_id)
    with pytest.raises(SealUseNotGranted):
        await signing.sealing.confirm(officer, prepared.intention_id, CODE)
    with pytest.raises(SealUseNotGranted):
        await signing.sealing.seal(officer, replace(request, second_factor=CODE))
    officers.forbidden.clear()
    assert (await signing.sealing.confirm(officer, prepared.intention_id, CODE)).document.startswith(b"%PDF-")


async def test_a_matter_that_nobody_offers_is_named_at_its_field(
    signing: Signing, seal: Seal, client: Principal, licence: bytes
) -> None:
    request = SealRequest(seal.seal_id, licence, PLACE, "500100-invented")
    digest = DigestRequest(seal.seal_id, bytes(32), "500100-invented")
    for attempt in (
        signing.sealing.seal(client, request),
        signing.sealing.prepare(client, request),
        signing.sealing.seal_digest(client, digest),
        signing.batches.start(client, [licence], request),
    ):
        with pytest.raises(InvalidInput) as caught:
            await attempt
        assert caught.value.field == "matter_code"


async def test_who_may_not_use_a_seal(
    signing: Signing, seal: Seal, officer: Principal, client: Principal, operator: Principal, licence: bytes
) -> None:
    sealing = signing.sealing
    request = SealRequest(seal.seal_id, licence, PLACE, MATTER)
    with pytest.raises(SecondFactorRequired):
        await sealing.seal(officer, request)
    with pytest.raises(SealUseNotGranted):
        await sealing.seal(officer, replace(request, matter_code="another", second_factor=CODE))
    with pytest.raises(SealUseNotGranted):
        await sealing.seal(officer, replace(request, matter_code=None, second_factor=CODE))
    with pytest.raises(SealUseNotGranted):
        await sealing.prepare(replace(client, scopes=frozenset({"licence:issue"})), request)
    with pytest.raises(SealUseNotGranted):
        await sealing.seal(replace(client, scopes=frozenset({"licence:issue"})), request)
    with pytest.raises(SealUseNotGranted):
        await sealing.seal_licence(replace(client, scopes=frozenset({"licence:read"})), request)
    with pytest.raises(SealNotFound):
        await sealing.seal(replace(client, organisation_code=OTHER), request)
    with pytest.raises(SealUseNotGranted):
        await sealing.seal(operator, request)
    with pytest.raises(SealNotFound):
        await sealing.seal(Principal(PrincipalKind.PERSON, "acc_chen"), request)


async def test_a_sealed_document_is_readable_by_its_organisation_only(
    signing: Signing, seal: Seal, client: Principal, officer: Principal, operator: Principal, licence: bytes
) -> None:
    sealed = await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))
    for reader in (client, officer):
        assert await signing.sealing.document(reader, sealed.document_id) == sealed.document
    stranger = replace(client, organisation_code=OTHER)
    for reader in (stranger, operator, Principal(PrincipalKind.PERSON, "acc_chen", organisation_code=seal.seal_id)):
        with pytest.raises(SealedDocumentNotFound):
            await signing.sealing.document(reader, sealed.document_id)


async def test_a_failed_self_check_lets_nothing_out_and_says_why(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signing.execution.finish", lambda *arguments: finish(*arguments)[:-7])
    with pytest.raises(SealingFailed, match="byte_range"):
        await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))
    async with database.read() as connection:
        states = (await connection.execute(select(seal_intentions.c.state, seal_intentions.c.failure))).all()
        assert (await connection.execute(select(seal_uses))).all() == []
    assert any(state == "failed" and failure.startswith("SealingFailed") for state, failure in states)


async def test_a_department_system_seals_a_document_it_keeps(
    signing: Signing, seal: Seal, client: Principal, officer: Principal, operator: Principal, tmp_path: Path
) -> None:
    data = "审批决定书".encode()
    digest = hashlib.sha256(data).digest()
    request = DigestRequest(seal.seal_id, digest, MATTER)
    sealed = await signing.sealing.seal_digest(client, request)
    assert (sealed.level, sealed.use_number) == (BaselineLevel.B_T, 1)
    paths = {"decision": tmp_path / "decision", "cms": tmp_path / "cms"}
    paths["decision"].write_bytes(data)
    paths["cms"].write_bytes(sealed.cms_der)
    result = run(
        "openssl", "cms", "-verify", "-inform", "DER", "-in", str(paths["cms"]), "-content",
        str(paths["decision"]), "-binary", "-noverify", "-purpose", "any",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (use,) = await signing.seals.uses(operator, seal.seal_id)
    assert (use.document_digest, use.matter_code) == (digest, MATTER)
    for bad, field in ((replace(request, signed_bytes_digest=b"x"), "digest"),
                       (replace(request, level=BaselineLevel.B_LTA), "level")):  # fmt: skip
        with pytest.raises(InvalidInput) as caught:
            await signing.sealing.seal_digest(client, bad)
        assert caught.value.field == field
    with pytest.raises(SealUseNotGranted):
        await signing.sealing.seal_digest(officer, request)
    with pytest.raises(SealNotFound):
        await signing.sealing.seal_digest(replace(client, organisation_code=OTHER), request)


async def test_a_full_disk_leaves_nothing_but_the_reason(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise ServiceUnavailable("The file store is not reachable now.")

    monkeypatch.setattr("foundation.blobs.BlobStore.put", full)
    with pytest.raises(ServiceUnavailable):
        await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))
    async with database.read() as connection:
        failures = (await connection.execute(select(seal_intentions.c.failure))).scalars().all()
        assert (await connection.execute(select(seal_uses))).all() == []
    assert "ServiceUnavailable: The file store is not reachable now." in failures


@pytest.mark.parametrize(("standard", "status"), [("a-1b", "1B"), ("a-2b", "2B"), ("a-3b", "3B")])
async def test_a_pdf_a_stays_the_pdf_a_it_claims_to_be(
    signing: Signing, seal: Seal, client: Principal, standard: Literal["a-1b", "a-2b", "a-3b"], status: str
) -> None:
    sealed = await signing.sealing.seal(client, SealRequest(seal.seal_id, typeset(2, standard), PLACE))
    with pikepdf.open(io.BytesIO(sealed.document)) as pdf:
        with pdf.open_metadata() as metadata:
            assert metadata.pdfa_status == status
        widget = pdf.pages[0].obj.Annots[-1]
        # ISO 19005: printed, not hidden, with an appearance, and nothing transparent or in a device colour.
        assert int(widget.F) & 0b100111 == 0b100
        appearance = widget.AP.N
        assert "/ExtGState" not in appearance.Resources
        assert appearance.Resources.XObject.S.Resources.ColorSpace.C0[0] == "/CalRGB"
        assert "/NeedAppearances" not in pdf.Root.AcroForm
