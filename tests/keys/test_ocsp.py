"""The OCSP responder as OpenSSL, pkilint and cryptography see it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from keys import der
from keys.ca import RevocationReason
from keys.errors import CertificateNotFound
from keys.model import KeyPurpose
from keys.statuses import parse_request
from tests.keys.support import make_seal, openssl
from tests.keys.test_certificates import lint, pem, write_pki

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from keys.assembly import Keys
    from keys.model import KeyInfo


def loaded(info: KeyInfo) -> tuple[x509.Certificate, x509.Certificate]:
    leaf, issuer = (x509.load_der_x509_certificate(der) for der in info.certificate_chain_der)
    return leaf, issuer


def ask(info: KeyInfo, *, nonce: bytes | None = None, algorithm: SHA1 | SHA256 | None = None) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(*loaded(info), algorithm or SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


async def test_openssl_reads_good_and_revoked_with_nonce(
    keys: Keys, operator: Principal, clock: FixedClock, tmp_path: Path
) -> None:
    seal = await make_seal(keys, operator)
    await write_pki(keys, tmp_path)
    (tmp_path / "leaf.pem").write_text(pem(seal.certificate_chain_der[0]))
    (tmp_path / "issuer.pem").write_text(pem(seal.certificate_chain_der[1]))
    leaf, _ = loaded(seal)
    at = str(int(clock.now().timestamp()))

    async def answer() -> str:
        request = ("-issuer", "issuer.pem", "-cert", "leaf.pem", "-reqout", "request.der")
        assert openssl("ocsp", *request, cwd=tmp_path).returncode == 0
        (tmp_path / "answer.der").write_bytes(await keys.ocsp.respond((tmp_path / "request.der").read_bytes()))
        trusted = ("-CAfile", "root.pem", "-verify_other", "issuing.pem", "-attime", at)
        lasting = ("-validity_period", "99999999", "-respin", "answer.der")
        nonce = openssl("ocsp", *trusted, *lasting, "-reqin", "request.der", cwd=tmp_path)
        told = ("-issuer", "issuer.pem", "-cert", "leaf.pem", "-no_nonce")
        status = openssl("ocsp", *trusted, *lasting, *told, cwd=tmp_path)
        return nonce.stdout + nonce.stderr + status.stdout + status.stderr

    good = await answer()
    assert good.count("Response verify OK") == 2
    assert "leaf.pem: good" in good
    assert "Nonce" not in good
    await keys.ca.revoke(operator, leaf.serial_number, RevocationReason.CESSATION_OF_OPERATION)
    revoked = await answer()
    assert "leaf.pem: revoked" in revoked
    assert "Reason: cessationOfOperation" in revoked


@pytest.mark.parametrize("algorithm", [SHA1(), SHA256()])  # noqa: S303 - SHA-1 names the issuer in RFC 6960 clients
async def test_the_answer_is_signed_by_a_delegate_of_the_right_authority(
    keys: Keys, operator: Principal, algorithm: SHA1 | SHA256, clock: FixedClock
) -> None:
    seal = await make_seal(keys, operator)
    response = ocsp.load_der_ocsp_response(await keys.ocsp.respond(ask(seal, nonce=b"n" * 32, algorithm=algorithm)))
    assert response.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 32
    _, issuer = loaded(seal)
    (delegate,) = response.certificates
    delegate.verify_directly_issued_by(issuer)
    assert response.next_update_utc == clock.now() + timedelta(hours=1)


async def test_a_serial_never_issued_is_unknown(keys: Keys, operator: Principal) -> None:
    seal = await make_seal(keys, operator)
    request = ask(seal)
    leaf, _ = loaded(seal)
    other = request.replace(der.integer(leaf.serial_number), der.integer(leaf.serial_number ^ 1))
    response = ocsp.load_der_ocsp_response(await keys.ocsp.respond(other))
    assert response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


async def test_the_linter_finds_no_error(keys: Keys, operator: Principal) -> None:
    seal = await make_seal(keys, operator)
    leaf, _ = loaded(seal)
    assert lint("lint_ocsp_response", await keys.ocsp.respond(ask(seal, nonce=b"n" * 16))) == ""
    await keys.ca.revoke(operator, leaf.serial_number, RevocationReason.UNSPECIFIED)
    assert lint("lint_ocsp_response", await keys.ocsp.respond(ask(seal))) == ""


async def test_an_answer_without_nonce_is_given_again_until_the_status_changes(
    keys: Keys, operator: Principal, clock: FixedClock
) -> None:
    seal = await make_seal(keys, operator)
    leaf, _ = loaded(seal)
    first = await keys.ocsp.respond(ask(seal))
    assert await keys.ocsp.respond(ask(seal)) == first
    clock.advance(timedelta(minutes=6))
    second = await keys.ocsp.respond(ask(seal))
    assert second != first
    await keys.ca.revoke(operator, leaf.serial_number, RevocationReason.SUPERSEDED)
    third = ocsp.load_der_ocsp_response(await keys.ocsp.respond(ask(seal)))
    assert third.certificate_status is ocsp.OCSPCertStatus.REVOKED


@pytest.mark.parametrize("provider", ["software"], indirect=True)
@pytest.mark.parametrize(
    "request_der",
    [b"", b"\0" * 10, b"\x30\x00", b"\x30\x80", b"A" * 20_000, der.sequence(der.sequence(der.sequence()))],
)
async def test_nonsense_is_malformed(keys: Keys, request_der: bytes) -> None:
    response = ocsp.load_der_ocsp_response(await keys.ocsp.respond(request_der))
    assert response.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


async def test_another_authoritys_certificate_is_not_ours_to_answer(keys: Keys, operator: Principal) -> None:
    seal = await make_seal(keys, operator)
    _, issuer = loaded(seal)
    root = x509.load_der_x509_certificate((await keys.service.trust_anchors()).roots_der[0])
    request = ocsp.OCSPRequestBuilder().add_certificate(issuer, root, SHA256()).build()
    response = ocsp.load_der_ocsp_response(await keys.ocsp.respond(request.public_bytes(Encoding.DER)))
    assert response.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    with pytest.raises(CertificateNotFound):
        await keys.ocsp.response_for(seal.certificate_chain_der[1])


async def test_a_response_to_embed(keys: Keys, operator: Principal) -> None:
    seal = await make_seal(keys, operator)
    tsa = await keys.service.active(KeyPurpose.TSA)
    for info in (seal, tsa):
        leaf, _ = loaded(info)
        response = ocsp.load_der_ocsp_response(await keys.ocsp.response_for(info.certificate_chain_der[0]))
        assert (response.serial_number, response.certificate_status) == (leaf.serial_number, ocsp.OCSPCertStatus.GOOD)


@given(st.binary(max_size=300))
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for candidate in (data, der.sequence(data), der.sequence(der.sequence(der.sequence(data), der.tlv(0xA2, data)))):
        try:
            parse_request(candidate)
        except der.MalformedDer:
            continue
