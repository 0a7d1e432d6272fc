"""The quick reading against the slow one and pyHanko's: it accepts nothing that either of them refuses."""

from __future__ import annotations

import hashlib
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from asn1crypto import cms as asn1_cms
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.validation.generic_cms import validate_sig_integrity

from keys.model import KeyInfo, KeyPurpose, KeyState
from keys.timestamps import TimestampRequest, TokenBuilder, imprint_of
from signing.cms import SealCms
from tests.verification.altered import flipped, restructured
from tests.verification.pki import NOW, Identity, Pki, issue
from verification.pdf.cms import (
    MalformedSeal,
    WeakAlgorithm,
    read_message,
    read_timestamp,
    signature_holds,
    timestamp_holds,
)
from verification.pdf.quick_cms import NotQuick, read_seal, timestamp_covers

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = float(os.environ.get("HUFU_TEST_ALTERED_ROUNDS", "0.08"))
"""How many bits of each byte are flipped one at a time; `make soak` sets 8."""
DIGEST = hashlib.sha256(b"what the byte range covers").digest()
ALGORITHMS = {"ec": "ecdsa-p256-sha256", "rsa": "rsa-3072-sha256"}
SECONDS_OF_A_TSA = "1.2.156.3005.1"


@dataclass(frozen=True)
class Signer:
    """A key in the form the token builder takes."""

    identity: Identity

    def sign(self, message: bytes, *, jws: str | None = None) -> bytes:
        del jws
        key = self.identity.key
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return key.sign(message, ec.ECDSA(hashes.SHA256()))

    def sign_digest(self, digest: bytes) -> bytes:  # noqa: ARG002 - the protocol's name
        pytest.fail("a CMS is made of the message, not of a digest")

    def certificate_signer(self) -> ec.EllipticCurvePrivateKey:
        pytest.fail("sealing issues no certificate")


def sealed(pki: Pki, kind: str, *, timestamp: bool = True) -> bytes:
    """Return a CMS as the engine writes it, with a timestamp as our TSA writes it."""
    tsa = issue("时间戳", pki.issuing, usages=(ExtendedKeyUsageOID.TIME_STAMPING,))
    info = KeyInfo("key_tsa", KeyPurpose.TSA, "", KeyState.ACTIVE, ALGORITHMS["ec"], b"", (tsa.der, pki.issuing.der))
    cms = SealCms(ALGORITHMS[kind], (pki.seal.der, pki.issuing.der))
    signature = Signer(pki.seal).sign(cms.signed_attributes(DIGEST))
    token = None
    if timestamp:
        request = TimestampRequest(imprint_of(hashlib.sha256(signature).digest()))
        token = TokenBuilder(info, Signer(tsa), SECONDS_OF_A_TSA).token(request, NOW, 7)
    return cms.signed_data(DIGEST, signature, token)


@pytest.fixture(scope="module", params=["ec", "rsa"])
def contents(request: pytest.FixtureRequest) -> bytes:
    return sealed(Pki(request.param), request.param)


def quick(contents: bytes) -> bool:
    """Tell whether the quick reading accepts a seal with a timestamp."""
    try:
        message = read_seal(contents)
        if message.timestamp_token is None:
            return False
        timestamp_covers(message.timestamp_token, message.signature)
    except NotQuick:
        return False
    return message.message_digest == DIGEST


def slow(contents: bytes) -> bool:
    """Tell the same by asn1crypto's reading of every structure."""
    try:
        message = read_message(contents)
        tokens = [read_timestamp(token) for token in message.timestamp_tokens_der]
        return (
            message.content_type == "data"
            and message.encapsulated is None
            and message.message_digest == DIGEST
            and message.names_certificate is True
            and signature_holds(message)
            and bool(tokens)
            and all(timestamp_holds(token, message.signature) for token in tokens)
        )
    except (MalformedSeal, WeakAlgorithm):
        return False


def pyhanko(contents: bytes) -> bool:
    """Tell the same by pyHanko's arithmetic."""
    signer = asn1_cms.ContentInfo.load(contents)["content"]["signer_infos"][0]
    message = read_message(contents)
    intact, valid = validate_sig_integrity(signer, message.certificate, "data", DIGEST)
    for token in message.timestamp_tokens_der:
        facts = read_timestamp(token)
        token_signer = asn1_cms.ContentInfo.load(token)["content"]["signer_infos"][0]
        content = hashlib.sha256(facts.message.encapsulated or b"").digest()
        both = validate_sig_integrity(token_signer, facts.message.certificate, "tst_info", content)
        intact, valid = intact and both[0], valid and both[1]
    return intact and valid


def alterations(contents: bytes) -> Iterator[bytes]:
    chance = random.Random(20261122)  # noqa: S311 - places, not secrets
    for _ in range(max(1, round(ROUNDS))):
        yield from flipped(contents, chance, ROUNDS)
    yield from restructured(contents, chance, ROUNDS)
    token = read_message(contents).timestamp_tokens_der[0]
    content = read_timestamp(token).message.encapsulated or b""
    for changed in restructured(content, chance, 0.5):
        yield contents.replace(content, changed) if len(changed) == len(content) else contents.replace(token, changed)


def test_what_the_engine_writes_is_read_quickly_and_alike(contents: bytes) -> None:
    assert quick(contents)
    assert slow(contents)
    assert pyhanko(contents)
    message, same = read_seal(contents + bytes(100)), read_message(contents)
    assert message.message_digest == same.message_digest == DIGEST
    assert message.signature == same.signature
    assert message.certificate_der == same.certificate.dump()
    assert (message.timestamp_token,) == same.timestamp_tokens_der
    facts = read_timestamp(message.timestamp_token or b"")
    assert timestamp_covers(message.timestamp_token or b"", message.signature) == facts.at == NOW


def test_no_alteration_passes_that_the_slow_reading_refuses(contents: bytes) -> None:
    tried = passed = 0
    for altered in alterations(contents):
        if altered == contents:
            continue
        tried += 1
        if quick(altered):
            passed += 1
            assert slow(altered), altered.hex()
            assert pyhanko(altered), altered.hex()
    assert tried > 200
    # What may change unnoticed is the issuer's certificate, which no seal's signature covers.
    assert passed < tried / 3


def test_a_token_of_another_version_is_not_quick(contents: bytes) -> None:
    """RFC 5652 section 5.1 asks for 3 around a TSTInfo; the reading by schema takes 1 for PKCS #7."""
    token = read_message(contents).timestamp_tokens_der[0]
    version = bytes.fromhex("020103310d")
    assert token.count(version) == 1
    altered = contents.replace(version, bytes.fromhex("020101310d"))
    assert not quick(altered)
    assert not slow(altered)


def test_a_seal_without_timestamp_has_none(pki: Pki) -> None:
    message = read_seal(sealed(pki, "ec", timestamp=False))
    assert message.timestamp_token is None
    assert message.content is None


@pytest.mark.parametrize(
    "garbage", [b"", b"\0", b"0", b"0\x80\0\0", b"0\x84\xff\xff\xff\xff", bytes(3000)], ids=range(6)
)
def test_garbage_is_not_quick(garbage: bytes) -> None:
    with pytest.raises(NotQuick):
        read_seal(garbage)
    with pytest.raises(NotQuick):
        timestamp_covers(garbage, b"")


def test_another_time_digest_or_signer_is_not_quick(pki: Pki) -> None:
    contents = sealed(pki, "ec")
    message = read_seal(contents)
    with pytest.raises(NotQuick):
        timestamp_covers(message.timestamp_token or b"", message.signature, b"x")
    stranger = sealed(Pki(), "ec")
    certificate, other = message.certificate_der, read_seal(stranger).certificate_der
    assert not quick(contents.replace(certificate, other))
    for text in (b"20261122250000Z", b"20260230040000Z", b"2026112204000.Z"):
        assert not quick(contents.replace(b"20261122040000Z", text))
