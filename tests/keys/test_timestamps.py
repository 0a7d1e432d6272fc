"""The TSA as OpenSSL and asn1crypto see it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import tsp
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from keys import der
from keys.model import KeyPurpose
from keys.timestamps import RequestRefused, parse_request
from tests.keys.support import digest_of, openssl
from tests.keys.test_certificates import write_pki

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from keys.assembly import Keys


def query(directory: Path, *options: str) -> bytes:
    (directory / "data.txt").write_text("行政许可决定书")
    made = openssl("ts", "-query", "-data", "data.txt", *options, "-out", "request.tsq", cwd=directory)
    assert made.returncode == 0, made.stderr
    return (directory / "request.tsq").read_bytes()


def verify(directory: Path, at: int, *source: str) -> str:
    options = ("-CAfile", "root.pem", "-untrusted", "issuing.pem", "-attime", str(at))
    result = openssl("ts", "-verify", *source, "-in", "answer.tsr", *options, cwd=directory)
    return result.stdout + result.stderr


@pytest.mark.parametrize("hash_option", ["-sha256", "-sha384", "-sha512"])
async def test_openssl_verifies_an_answer(keys: Keys, clock: FixedClock, tmp_path: Path, hash_option: str) -> None:
    await write_pki(keys, tmp_path)
    (tmp_path / "answer.tsr").write_bytes(await keys.tsa.respond(query(tmp_path, hash_option, "-cert")))
    at = int(clock.now().timestamp())
    assert "Verification: OK" in verify(tmp_path, at, "-queryfile", "request.tsq")
    assert "Verification: OK" in verify(tmp_path, at, "-data", "data.txt")
    (tmp_path / "data.txt").write_text("行政许可决定书。")
    assert "Verification: FAILED" in verify(tmp_path, at, "-data", "data.txt")


async def test_certificates_are_left_out_unless_asked_for(keys: Keys, clock: FixedClock, tmp_path: Path) -> None:
    await write_pki(keys, tmp_path)
    answer = await keys.tsa.respond(query(tmp_path, "-sha256"))
    (tmp_path / "answer.tsr").write_bytes(answer)
    assert signed_data(answer)["certificates"].native is None
    tsa = await keys.service.active(KeyPurpose.TSA)
    from tests.keys.test_certificates import pem  # noqa: PLC0415 - beside its one use

    with (tmp_path / "issuing.pem").open("a") as file:
        file.write(pem(tsa.certificate_chain_der[0]))
    assert "Verification: OK" in verify(tmp_path, int(clock.now().timestamp()), "-queryfile", "request.tsq")


def signed_data(answer: bytes) -> Any:  # noqa: ANN401 - asn1crypto has no types
    return tsp.TimeStampResp.load(answer)["time_stamp_token"]["content"]


async def test_a_token_tells_time_policy_accuracy_and_nonce(keys: Keys, clock: FixedClock) -> None:
    clock.advance(timedelta(milliseconds=120))
    token = await keys.tsa.timestamp(digest_of("a"), nonce=2**63 + 5)
    content = tsp.ContentInfo.load(token, strict=True)["content"]
    info = content["encap_content_info"]["content"].parsed
    assert info["gen_time"].native == clock.now()
    assert info["gen_time"].contents.endswith(b".12Z")
    assert info["nonce"].native == 2**63 + 5
    assert info["accuracy"]["seconds"].native == 1
    assert info["ordering"].native is False
    assert info["message_imprint"]["hashed_message"].native == digest_of("a")
    attributes = content["signer_infos"][0]["signed_attrs"]
    tsa = await keys.service.active(KeyPurpose.TSA)
    certificate_hash = attributes[-1]["values"][0]["certs"][0]["cert_hash"].native
    assert certificate_hash == hashlib.sha256(tsa.certificate_chain_der[0]).digest()
    other = tsp.ContentInfo.load(await keys.tsa.timestamp(digest_of("a")))["content"]
    assert other["encap_content_info"]["content"].parsed["serial_number"].native != info["serial_number"].native


def failure_of(answer: bytes) -> set[str]:
    status = tsp.PKIStatusInfo.load(der.parse(answer).children()[0].encoded, strict=True)
    assert status["status"].native == "rejection"
    return set(status["fail_info"].native)


def request(imprint: bytes, *rest: bytes, version: int = 1) -> bytes:
    return der.sequence(der.integer(version), imprint, *rest)


SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
IMPRINT = der.sequence(SHA256, der.octet_string(bytes(32)))


@pytest.mark.parametrize("provider", ["software"], indirect=True)
@pytest.mark.parametrize(
    ("asked", "failure"),
    [
        (b"", "bad_data_format"),
        (b"\x30\x80\x00\x00", "bad_data_format"),
        (request(IMPRINT) + b"\0", "bad_data_format"),
        (request(IMPRINT, version=2), "bad_request"),
        (request(der.sequence(der.sequence(der.oid("1.3.14.3.2.26")), der.octet_string(bytes(20)))), "bad_alg"),
        (request(der.sequence(SHA256, der.octet_string(bytes(31)))), "bad_data_format"),
        (request(IMPRINT, der.oid("1.2.3.4")), "unaccepted_policy"),
        (request(IMPRINT, der.integer(1 << 600)), "bad_request"),
        (request(IMPRINT, der.integer(1), der.oid("1.2.3.4")), "bad_data_format"),
        (request(IMPRINT, der.tlv(0xA0, b"")), "unaccepted_extensions"),
        (b"\x30\x84\xff\xff\xff\xff", "bad_data_format"),
        (b"A" * 10_000, "bad_request"),
    ],
)
async def test_a_bad_request_is_rejected_with_its_reason(keys: Keys, asked: bytes, failure: str) -> None:
    assert failure_of(await keys.tsa.respond(asked)) == {failure}


@given(st.binary(max_size=300))
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for candidate in (data, der.sequence(data), request(IMPRINT, data)):
        try:
            parse_request(candidate)
        except RequestRefused:
            continue


async def test_no_stamp_without_a_usable_key(keys: Keys, operator: Principal, clock: FixedClock) -> None:
    tsa = await keys.service.active(KeyPurpose.TSA)
    await keys.service.compromise(operator, tsa.key_id, clock.now())
    assert failure_of(await keys.tsa.respond(request(IMPRINT))) == {"system_failure"}
