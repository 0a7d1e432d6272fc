from __future__ import annotations

import base64
import hashlib
import zlib
from datetime import UTC, date, datetime
from typing import Any

import cbor2
import cwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verification.records import IDENTIFIER, Record, Records
from verification.codes import judge_code, judge_link
from verification.model import Outcome, Reason, Report, Verdict
from verification.qr import MalformedCode, read_code
from verification.trust import VerificationKey

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
KEY_ID = hashlib.sha256(PUBLIC).digest()[:8]
TRUSTED = (VerificationKey(KEY_ID, PUBLIC, "CN-5000"),)
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
EPOCH = date(1970, 1, 1)
CLAIMS: dict[int, Any] = {
    1: "CN-5000",
    6: int(NOW.timestamp()),
    -65537: {
        1: IDENTIFIER,
        2: "食品经营许可证",
        3: ["陈伟", "王芳"],
        4: "1232",
        5: (date(2026, 1, 1) - EPOCH).days,
        6: (date(2030, 12, 31) - EPOCH).days,
        7: 1,
        8: 4711,
        9: "演示市市场监督管理局",
    },
}


def code_text(
    claims: dict[int, Any],
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    key_id: bytes = KEY_ID,
    tag: int = 18,
    alg: int = -7,
) -> str:
    protected = cbor2.dumps({1: alg, 4: key_id}, canonical=True)
    payload = cbor2.dumps(claims, canonical=True)
    signed = cbor2.dumps(["Signature1", protected, b"", payload], canonical=True)
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    message = cbor2.dumps(cbor2.CBORTag(tag, [protected, {}, payload, signature]), canonical=True)
    return "https://hufu.example/v#HF1" + base64.b32encode(zlib.compress(message, 9)).decode().rstrip("=")


async def judge(text: str, record: Record | None = None, *, at: datetime = NOW) -> Report:
    records = Records(record)

    async def find(identifier: str) -> Record | None:
        return await records.find(None, identifier)  # type: ignore[arg-type] # these records need no connection

    return await judge_code(text, TRUSTED, find, at=at, now=NOW)


async def test_a_good_code_is_valid_and_says_to_check_the_bearer() -> None:
    report = await judge(code_text(CLAIMS), Record())
    assert (report.verdict, report.reason) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED)
    assert report.code is not None
    assert (report.code.holder_names, report.code.holder_code_tail) == (("陈伟", "王芳"), "1232")
    assert "持码人" in report.advice[0].zh


async def test_the_text_is_read_with_or_without_the_link_and_in_small_letters() -> None:
    text = code_text(CLAIMS)
    for typed in (text, text.partition("#")[2], text.lower(), f" {text} \n"):
        assert (await judge(typed, Record())).verdict is Verdict.VALID


@pytest.mark.parametrize("state", ["revoked", "suspended", "superseded"])
async def test_the_record_has_the_last_word(state: str) -> None:
    assert (await judge(code_text(CLAIMS), Record(state=state))).verdict is Verdict.INVALID


async def test_a_code_of_another_key_or_service_is_not_believed() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    forged = await judge(code_text(CLAIMS, key=stranger), Record())
    assert (forged.verdict, forged.reason) == (Verdict.INVALID, Reason.CODE_FORGED)
    other = await judge(code_text(CLAIMS | {1: "CN-5100"}), Record())
    assert (other.verdict, other.reason) == (Verdict.UNDETERMINED, Reason.CODE_ISSUER_UNKNOWN)


@pytest.mark.parametrize(
    ("field", "value"),
    [(2, "营业执照"), (3, ["李四"]), (4, "9999"), (5, 0), (6, 40000), (9, "别的单位")],
)
async def test_a_signed_code_that_differs_from_the_record_is_invalid(field: int, value: object) -> None:
    report = await judge(code_text(CLAIMS | {-65537: CLAIMS[-65537] | {field: value}}), Record())
    assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.DOCUMENT_DIFFERS_FROM_RECORD)


async def test_a_code_without_record_is_undetermined() -> None:
    assert (await judge(code_text(CLAIMS), None)).verdict is Verdict.UNDETERMINED


async def test_a_key_compromised_before_the_code_was_made_is_not_believed() -> None:
    records = Records(Record())

    async def find(identifier: str) -> Record | None:
        return await records.find(None, identifier)  # type: ignore[arg-type] # as above

    keys = (VerificationKey(KEY_ID, PUBLIC, "CN-5000", not_trusted_from=NOW),)
    report = await judge_code(code_text(CLAIMS), keys, find, at=NOW, now=NOW)
    assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.KEY_COMPROMISED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HF1",
        "HF2ABCDEFG",
        "https://hufu.example/v#",
        "HF1" + "A" * 5000,
        "HF1" + base64.b32encode(zlib.compress(b"\x00" * 1_000_000)).decode().rstrip("="),
        "HF1" + base64.b32encode(zlib.compress(b"\x81" * 500)).decode().rstrip("="),
        "HF1" + base64.b32encode(zlib.compress(b"\xd2\x84")).decode().rstrip("="),
        code_text(CLAIMS)[:-5],
        code_text(CLAIMS, tag=17),
        code_text(CLAIMS, alg=-8),
        code_text({}),
        code_text({1: "CN-5000", 6: -1, -65537: {}}),
        code_text(CLAIMS | {6: 2**62}),
    ],
)
async def test_what_is_no_code_is_said_to_be_none(text: str) -> None:
    report = await judge(text, Record())
    assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.CODE_MALFORMED)


@settings(max_examples=300)
@given(place=st.integers(0, 10_000), change=st.integers(1, 31))
def test_no_flipped_character_changes_what_is_believed(place: int, change: int) -> None:
    """Deflate can write one content in several ways, so that a flip may leave what was signed as it was."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    text = GOOD.partition("#HF1")[2]
    place %= len(text)
    changed = alphabet[(alphabet.index(text[place]) + change) % 32]
    try:
        code = read_code("HF1" + text[:place] + changed + text[place + 1 :])
    except MalformedCode:
        return
    assert code == read_code(GOOD) or not code.signed_by(TRUSTED[0])


GOOD = code_text(CLAIMS)


@pytest.mark.parametrize(
    ("prefix", "outcome"),
    [
        ("https://hufu.example/v#", Outcome.PASSED),
        ("HTTPS://HUFU.EXAMPLE:443/V#", Outcome.PASSED),
        ("https://city.example/v?lang=en#", Outcome.PASSED),
        ("", None),
        ("#", None),
        ("https://hufu.example.evil.example/v#", Outcome.FAILED),
        ("https://hufu.example:8443/v#", Outcome.FAILED),
        ("http://hufu.example/v#", Outcome.FAILED),
        ("https://hufu.example@evil.example/v#", Outcome.FAILED),
        (r"https://evil.example\@hufu.example/v#", Outcome.FAILED),
        ("https://evil.example#https://hufu.example/v#", Outcome.FAILED),
        ("https://hufu.ex ample/v#", Outcome.FAILED),
        ("https://[broken/v#", Outcome.FAILED),
        ("javascript:alert(1)#", Outcome.FAILED),
        ("hufu.example/v#", Outcome.FAILED),
    ],
)
async def test_a_link_to_elsewhere_is_told(prefix: str, outcome: Outcome | None) -> None:
    text = prefix + GOOD.rpartition("#")[2]
    judged = await judge(text, Record())
    told = judge_link(judged, text, ("https://hufu.example/v", "https://city.example/verify"))
    failed = outcome is Outcome.FAILED
    assert told.verdict is Verdict.VALID
    assert told.reason is (Reason.CODE_LEADS_ELSEWHERE if failed else Reason.ALL_CHECKS_PASSED)
    assert [check.outcome for check in told.checks if check.name == "code.link"] == ([outcome] if outcome else [])
    assert len(told.advice) == len(judged.advice) + failed


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for content in (data, zlib.compress(data)):
        with pytest.raises(MalformedCode):
            read_code("HF1" + base64.b32encode(content).decode().rstrip("="))


def test_an_independent_implementation_reads_the_same_token() -> None:
    inflated = zlib.decompress(base64.b32decode(pad(GOOD.partition("#HF1")[2])))
    numbers = KEY.public_key().public_numbers()
    key = cwt.COSEKey.new(
        {1: 2, 2: KEY_ID, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    )
    assert cbor2.loads(cwt.COSE.new(kid_auto_inclusion=True).decode(inflated, keys=[key])) == CLAIMS
    contents = read_code(GOOD).contents
    assert (contents.identifier, contents.status_list, contents.status_index) == (IDENTIFIER, 1, 4711)


def pad(text: str) -> str:
    return text + "=" * (-len(text) % 8)
