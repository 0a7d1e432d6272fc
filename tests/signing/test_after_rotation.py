"""Seals of two generations of CAs stay valid beside each other."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import select

from keys.ca import RevocationReason
from keys.certificates import DELEGATED, Issuer
from keys.dual_control import Act
from keys.model import KeyInfo, KeyPurpose
from keys.offline_root import certify_authority
from keys.rotation import rotate, rotate_authority
from signing.errors import SealKeyUnusable
from signing.model import BaselineLevel, SealKind, SealRequest
from signing.tables import seal_uses
from tests.signing.conftest import CODE, MATTER, make_active
from verification.model import Verdict
from verification.pdf import validate_pdf
from verification.sources import KeysTrust

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.assembly import Keys
    from signing.assembly import Signing
    from signing.model import Seal


async def test_documents_sealed_before_and_after_every_ca_was_replaced_are_valid(
    signing: Signing,
    seal: Seal,
    client: Principal,
    operator: Principal,
    second_operator: Principal,
    licence: bytes,
    keys: Keys,
    settings: Settings,
    database: Database,
    clock: FixedClock,
    cipher: FieldCipher,
) -> None:
    export = settings.data_directory / "keystore" / "root-key.json"
    passphrase = export.with_suffix(".passphrase").read_text().strip()

    async def certify(key_id: str) -> KeyInfo:
        return await certify_authority(settings, database, clock, cipher, operator, key_id, export, passphrase)

    async def sealed(seal: Seal, level: BaselineLevel) -> bytes:
        request = SealRequest(seal.seal_id, licence, matter_code=MATTER, level=level)
        return (await signing.sealing.seal(client, request)).document

    assert seal.key_id is not None
    levels = (BaselineLevel.B_T, BaselineLevel.B_LTA)
    documents = [await sealed(seal, level) for level in levels]
    first = (await keys.service.get(seal.key_id)).certificate_chain_der
    for role in DELEGATED:
        await keys.service.request(second_operator, Act.ROTATE_CA, role)
        await rotate_authority(keys, operator, role, certify)
    await rotate(keys, operator, KeyPurpose.TSA)
    documents += [await sealed(seal, level) for level in levels]
    later = await make_active(
        signing,
        operator,
        second_operator,
        kind=SealKind.BUSINESS,
        filing_number="5001000000002",
        lower_text="审批专用章",
    )
    assert later.key_id is not None
    assert (await keys.service.get(later.key_id)).certificate_chain_der[1] != first[1]
    documents += [await sealed(later, level) for level in levels]

    material = await KeysTrust(keys, "CN-5000").material()
    assert len(material.intermediates_der) == 2 * len(DELEGATED)
    assert len(material.crls_der) == 1 + 4 * len(DELEGATED)
    for document in documents:
        report = await asyncio.to_thread(validate_pdf, document, material, at=clock.now())
        assert report.verdict is Verdict.VALID, [one for one in report.checks if one.outcome != "passed"]
    assert (await keys.service.authority(Issuer.SEALS)).certificate_chain_der[0] == first[1]


async def test_a_renewed_certificate_is_used_at_once_and_what_was_prepared_keeps_its_own(
    signing: Signing,
    seal: Seal,
    client: Principal,
    officer: Principal,
    operator: Principal,
    licence: bytes,
    keys: Keys,
    database: Database,
    clock: FixedClock,
) -> None:
    """The key stays; the certificate is inside what is signed, so a preview goes with the one it was made for."""
    assert seal.key_id is not None
    request = SealRequest(seal.seal_id, licence, matter_code=MATTER, level=BaselineLevel.B_B)
    documents = [(await signing.sealing.seal(client, request)).document]
    prepared, refused = [await signing.sealing.prepare(officer, request) for _ in range(2)]
    first = (await keys.service.get(seal.key_id)).certificate_chain_der[0]
    clock.advance(timedelta(minutes=1))
    renewed = await keys.ca.issue_organisation_seal(
        operator,
        seal.key_id,
        organisation_name=seal.organisation_name,
        credit_code=seal.organisation_code,
        seal_name=seal.name,
    )
    await keys.service.refresh(force=True)
    second = renewed.certificate_chain_der[0]
    assert second != first
    documents.append((await signing.sealing.seal(client, request)).document)
    documents.append((await signing.sealing.confirm(officer, prepared.intention_id, CODE)).document)
    assert [signer_of(document) for document in documents] == [first, second, first]
    material = await KeysTrust(keys, "CN-5000").material()
    for document in documents:
        report = await asyncio.to_thread(validate_pdf, document, material, at=clock.now())
        assert report.verdict is Verdict.VALID, [one for one in report.checks if one.outcome != "passed"]
    # Once the earlier certificate is revoked, nothing more is sealed under it.
    serial = x509.load_der_x509_certificate(first).serial_number
    await keys.ca.revoke(operator, serial, RevocationReason.SUPERSEDED)
    with pytest.raises(SealKeyUnusable):
        await signing.sealing.confirm(officer, refused.intention_id, CODE)
    async with database.read() as connection:
        assert len((await connection.execute(select(seal_uses))).all()) == len(documents)


def signer_of(document: bytes) -> bytes:
    """Return the certificate of a document's one seal."""
    (signature,) = PdfFileReader(io.BytesIO(document)).embedded_signatures
    certificate: bytes = signature.signer_cert.dump()
    return certificate
