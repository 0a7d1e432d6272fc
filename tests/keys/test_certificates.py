"""Certificates and lists as other implementations read them."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from foundation.errors import InvalidInput
from keys.ca import Issuer, RevocationReason
from keys.dual_control import Act
from keys.errors import (
    CertificateAlreadyRevoked,
    CertificateNotFound,
    IntentionMissing,
    KeyNotUsable,
    SecondOperatorRequired,
    WrongPurpose,
)
from keys.model import KeyPurpose, KeyState
from tests.conftest import NOW
from tests.keys.support import CREDIT_CODE, make_seal, openssl

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from keys.assembly import Keys
    from tests.keys.support import StoredIntentions


class Input(io.BytesIO):
    """A standard input as argparse hands it out."""

    name = "stdin.der"


def lint(tool: str, der: bytes, *options: str) -> str:
    """Run one of pkilint's commands in this process, since each start costs seconds; return its findings."""
    output, stdin = io.StringIO(), SimpleNamespace(buffer=Input(der))
    main = importlib.import_module(f"pkilint.bin.{tool}").main
    with contextlib.redirect_stdout(output), mock.patch.object(sys, "stdin", stdin):
        main(["lint", "-s", "ERROR", *options, "-"])
    return output.getvalue().strip()


async def write_pki(keys: Keys, directory: Path) -> None:
    """Write root, issuing CAs and every list as PEM."""
    anchors = await keys.service.trust_anchors()
    (directory / "root.pem").write_text(pem(*anchors.roots_der))
    (directory / "issuing.pem").write_text(pem(*anchors.intermediates_der))
    lists = [x509.load_der_x509_crl(await keys.ca.crl_der(issuer)) for issuer in await keys.ca.issuers()]
    (directory / "crls.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in lists))


def pem(*ders: bytes) -> str:
    return "".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode() for der in ders)


def verify(directory: Path, leaf_der: bytes, at: int) -> str:
    (directory / "leaf.pem").write_text(pem(leaf_der))
    options = ("-x509_strict", "-crl_check_all", "-attime", str(at), "-CAfile", "root.pem")
    result = openssl("verify", *options, "-untrusted", "issuing.pem", "-CRLfile", "crls.pem", "leaf.pem", cwd=directory)
    return result.stdout + result.stderr


async def test_openssl_accepts_a_seal_certificate_and_refuses_it_once_revoked(
    keys: Keys, operator: Principal, clock: FixedClock, tmp_path: Path
) -> None:
    seal = await make_seal(keys, operator)
    await write_pki(keys, tmp_path)
    at = int(clock.now().timestamp()) + 60
    assert verify(tmp_path, seal.certificate_chain_der[0], at) == "leaf.pem: OK\n"
    serial = x509.load_der_x509_certificate(seal.certificate_chain_der[0]).serial_number
    await keys.ca.revoke(operator, serial, RevocationReason.CESSATION_OF_OPERATION)
    await write_pki(keys, tmp_path)
    assert "certificate revoked" in verify(tmp_path, seal.certificate_chain_der[0], at)


async def test_every_service_certificate_verifies(keys: Keys, clock: FixedClock, tmp_path: Path) -> None:
    await write_pki(keys, tmp_path)
    at = int(clock.now().timestamp()) + 60
    for purpose in (KeyPurpose.TSA, KeyPurpose.OCSP):
        for info in keys.service.verification_keys(purpose):
            assert verify(tmp_path, info.certificate_chain_der[0], at) == "leaf.pem: OK\n"


async def test_a_seal_certificate_says_whose_it_is_and_signs_only(keys: Keys, operator: Principal) -> None:
    seal = await make_seal(keys, operator)
    certificate = x509.load_der_x509_certificate(seal.certificate_chain_der[0])
    (identifier,) = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)
    assert identifier.value == f"NTRCN-{CREDIT_CODE}"
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    named = ("digital_signature", "content_commitment", "key_encipherment", "key_cert_sign", "crl_sign")
    assert [getattr(usage, name) for name in named] == [False, True, False, False, False]
    assert (seal.state, seal.owner) == (KeyState.ACTIVE, "sel_one")


def test_the_linter_would_find_an_error() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW)
    bare = builder.sign(key, SHA256()).public_bytes(Encoding.DER)
    assert "ERROR" in lint("lint_pkix_cert", bare)


async def test_linters_find_no_error_in_any_certificate(keys: Keys, operator: Principal) -> None:
    seal = await make_seal(keys, operator)
    rsa_seal = await make_seal(keys, operator, "sel_rsa", "RS256")
    person_key = await keys.service.create(operator, KeyPurpose.PERSON, "per_1")
    person = await keys.ca.issue_person(operator, person_key.key_id, name="陈伟", person_number="per_1")
    officer_key = await keys.service.create(operator, KeyPurpose.PERSON, "ofc_1")
    officer = await keys.ca.issue_officer(
        operator,
        officer_key.key_id,
        name="李敏",
        officer_number="ofc_1",
        organisation_name="演示市食品药品监督管理局",
        credit_code=CREDIT_CODE,
    )
    anchors = await keys.service.trust_anchors()
    chains = [
        info.certificate_chain_der[0]
        for purpose in (KeyPurpose.TSA, KeyPurpose.OCSP)
        for info in keys.service.verification_keys(purpose)
    ]
    leaves = [info.certificate_chain_der[0] for info in (seal, rsa_seal, person, officer)]
    for der in (*leaves, *chains, *anchors.roots_der, *anchors.intermediates_der):
        assert lint("lint_pkix_cert", der) == ""
    for info in (seal, rsa_seal):
        options = ("-t", "NCP-LEGAL-PERSON-CERTIFICATE")
        assert lint("lint_etsi_cert", info.certificate_chain_der[0], *options) == ""
    for info in (person, officer):
        options = ("-t", "NCP-NATURAL-PERSON-CERTIFICATE")
        assert lint("lint_etsi_cert", info.certificate_chain_der[0], *options) == ""


async def test_linter_finds_no_error_in_any_list(keys: Keys, operator: Principal) -> None:
    seal = await make_seal(keys, operator)
    serial = x509.load_der_x509_certificate(seal.certificate_chain_der[0]).serial_number
    await keys.ca.revoke(operator, serial, RevocationReason.KEY_COMPROMISE)
    for issuer in await keys.ca.issuers():
        crl_der = await keys.ca.crl_der(issuer)
        assert lint("lint_crl", crl_der, "-t", "CRL", "-p", "PKIX") == ""
    assert len(list(x509.load_der_x509_crl(await keys.ca.crl_der(Issuer.SEALS)))) == 1


async def test_a_revocation_keeps_date_and_reason_and_happens_once(
    keys: Keys, operator: Principal, clock: FixedClock
) -> None:
    seal = await make_seal(keys, operator)
    serial = x509.load_der_x509_certificate(seal.certificate_chain_der[0]).serial_number
    invalid_from = clock.now() - timedelta(days=3)
    await keys.ca.revoke(operator, serial, RevocationReason.KEY_COMPROMISE, invalid_from=invalid_from)
    entry = x509.load_der_x509_crl(await keys.ca.crl_der(Issuer.SEALS)).get_revoked_certificate_by_serial_number(serial)
    assert entry is not None
    assert entry.revocation_date_utc == clock.now()
    assert entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc == invalid_from
    with pytest.raises(CertificateAlreadyRevoked):
        await keys.ca.revoke(operator, serial, RevocationReason.SUPERSEDED)
    with pytest.raises(CertificateNotFound):
        await keys.ca.revoke(operator, serial + 1, RevocationReason.SUPERSEDED)
    assert (await keys.service.get(seal.key_id)).state is KeyState.RETIRED


async def test_lists_are_numbered_upwards_and_made_anew_in_time(keys: Keys, clock: FixedClock) -> None:
    first = x509.load_der_x509_crl(await keys.ca.crl_der(Issuer.SEALS))
    again = x509.load_der_x509_crl(await keys.ca.crl_der(Issuer.SEALS))
    clock.advance(timedelta(hours=7))
    later = x509.load_der_x509_crl(await keys.ca.crl_der(Issuer.SEALS))
    numbers = [one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for one in (first, again, later)]
    assert numbers == [1, 1, 2]
    assert later.last_update_utc == clock.now()


async def test_a_seal_nobody_approved_gets_no_certificate(
    keys: Keys, operator: Principal, intentions: StoredIntentions
) -> None:
    intentions.unapproved.add("sel_one")
    with pytest.raises(IntentionMissing):
        await make_seal(keys, operator)
    assert await keys.ca.search(subject_id=CREDIT_CODE) == ()


async def test_a_key_gets_certificates_of_its_purpose_only(
    keys: Keys, operator: Principal, second_operator: Principal
) -> None:
    key = await keys.service.create(operator, KeyPurpose.PERSON, "per_2")
    with pytest.raises(WrongPurpose):
        await keys.ca.issue_organisation_seal(
            operator, key.key_id, organisation_name="演示市", credit_code=CREDIT_CODE, seal_name="演示市"
        )
    await keys.service.request(second_operator, Act.DESTROY, key.key_id)
    destroyed = await keys.service.destroy(operator, key.key_id)
    assert destroyed.state is KeyState.DESTROYED
    with pytest.raises(KeyNotUsable):
        await keys.ca.issue_person(operator, key.key_id, name="陈伟", person_number="per_2")


@pytest.mark.parametrize("name", ["", "长" * 65, "a\nb"])
async def test_a_name_that_fits_no_certificate_is_refused_and_nothing_is_stored(
    keys: Keys, operator: Principal, name: str
) -> None:
    key = await keys.service.create(operator, KeyPurpose.SEAL, "sel_name")
    with pytest.raises(InvalidInput):
        await keys.ca.issue_organisation_seal(
            operator, key.key_id, organisation_name="演示市", credit_code=CREDIT_CODE, seal_name=name
        )
    assert await keys.ca.search(key_id=key.key_id) == ()
    assert (await keys.service.get(key.key_id)).state is KeyState.PENDING


@pytest.mark.parametrize("credit_code", ["", "11500100009001018b", "11500100009001018B1", "1150010000900101 B"])
async def test_a_code_that_is_none_is_refused(keys: Keys, operator: Principal, credit_code: str) -> None:
    key = await keys.service.create(operator, KeyPurpose.SEAL, "sel_code")
    with pytest.raises(InvalidInput):
        await keys.ca.issue_organisation_seal(
            operator, key.key_id, organisation_name="演示市", credit_code=credit_code, seal_name="演示市"
        )


async def test_a_persons_name_lies_in_no_column_in_the_clear(keys: Keys, operator: Principal) -> None:
    key = await keys.service.create(operator, KeyPurpose.PERSON, "per_3")
    issued = await keys.ca.issue_person(operator, key.key_id, name="欧阳晓明", person_number="per_3")
    again = await keys.service.get(key.key_id)
    assert again.certificate_chain_der == issued.certificate_chain_der
    certificate = x509.load_der_x509_certificate(again.certificate_chain_der[0])
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "欧阳晓明"
    service = keys.service
    async with service._database.read() as connection:
        for table in ("keys", "certificates"):
            rows = await connection.exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608 - two fixed names
            assert "欧阳晓明".encode() not in repr(tuple(tuple(row) for row in rows)).encode("unicode_escape")
            stored = await connection.exec_driver_sql(f"SELECT {table}::text FROM {table}")  # noqa: S608 - as above
            assert all("欧阳晓明".encode().hex() not in text for (text,) in stored)


async def test_a_tls_client_certificate_comes_from_a_request_that_proves_its_key(
    keys: Keys, operator: Principal, second_operator: Principal
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ignored")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    der = request.public_bytes(Encoding.DER)
    facts = {"client_id": "cli_food", "organisation_name": "演示市食品药品监督管理局", "credit_code": CREDIT_CODE}
    with pytest.raises(SecondOperatorRequired):
        await keys.ca.issue_tls_client(operator, der, **facts)
    await keys.service.request(second_operator, Act.CERTIFY_CLIENT, "cli_food")
    certificate = x509.load_der_x509_certificate(await keys.ca.issue_tls_client(operator, der, **facts))
    assert certificate.public_key() == key.public_key()
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "cli_food"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    for bad in (b"", b"not a request", der[:-1] + bytes([der[-1] ^ 1])):
        with pytest.raises(InvalidInput):
            await keys.ca.issue_tls_client(operator, bad, **facts)


async def test_a_renewed_certificate_keeps_the_key(keys: Keys, operator: Principal, clock: FixedClock) -> None:
    seal = await make_seal(keys, operator)
    clock.advance(timedelta(days=1000))
    renewed = await keys.ca.issue_organisation_seal(
        operator, seal.key_id, organisation_name="演示市食品药品监督管理局", credit_code=CREDIT_CODE, seal_name="新章"
    )
    assert renewed.public_key_der == seal.public_key_der
    assert renewed.certificate_chain_der[0] != seal.certificate_chain_der[0]
    assert len(await keys.ca.search(subject_id=CREDIT_CODE)) == 2
    soon = await keys.ca.search(expiring_before=clock.now() + timedelta(days=200), subject_id=CREDIT_CODE)
    assert [one.certificate_der for one in soon] == [seal.certificate_chain_der[0]]
