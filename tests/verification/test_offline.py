from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import cbor2
import cwt
import pytest
import zxingcpp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hufu.commands import dispatch
from licence_vault.status_allocation import CAPACITY
from tests.verification.records import Record
from tests.verification.test_own_documents import sealed_by
from tests.verification.test_qr import CLAIMS, EPOCH, KEY, KEY_ID, NOW, PUBLIC, code_text, judge
from verification.model import Reason, Report, Verdict
from verification.offline import judge_code_offline, judge_document_offline
from verification.packs import MANIFEST, TYPE, BadPack, CityInPack, OfflinePack, build_zip, manifest_claims, read_pack
from verification.status.encoding import (
    BadStatusList,
    StatusListFacts,
    cose_sign1,
    cwt_parts,
    deflate,
    jwt_claims,
    pack,
    read_cwt,
    signature_structure,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FINGERPRINT = hashlib.sha256(PUBLIC).hexdigest()
STATES = {
    "pending": 3,
    "valid": 0,
    "suspended": 2,
    "superseded": 1,
    "cancelled": 1,
    "withdrawn": 1,
    "revoked": 1,
    "transferred": 1,
    "erroneous": 1,
}
SIZE, INDEX = 8192, 4711


def raw_signature(data: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def status_token(
    values: dict[int, int],
    *,
    number: int = 1,
    issued_at: datetime = NOW,
    size: int = SIZE,
    base: str = "https://hufu.example/status-lists",
    signer: tuple[ec.EllipticCurvePrivateKey, bytes] = (KEY, KEY_ID),
) -> bytes:
    facts = StatusListFacts(
        f"{base}/{number}",
        issued_at,
        issued_at + timedelta(hours=24),
        30,
        deflate(pack(size, values.items())),
    )
    key, key_id = signer
    protected, payload = cwt_parts(facts, key_id)
    return cose_sign1(protected, payload, raw_signature(signature_structure(protected, payload), key))


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def pack_file(
    files: dict[str, bytes] | None = None,
    *,
    issued_at: datetime = NOW,
    typ: str = TYPE,
    code_keys: list[dict[str, Any]] | None = None,
    cities: Sequence[CityInPack] = (),
) -> bytes:
    """Return a signed pack, of an earlier release where it holds no cities; a file without content is left out."""
    key = {"key_id": KEY_ID.hex(), "der": base64.b64encode(PUBLIC).decode(), "not_trusted_from": None}
    trust: dict[str, Any] = {
        "roots": [],
        "intermediates": [],
        "crls": [],
        "revocation_as_of": issued_at.isoformat(),
        "code_keys": [key] if code_keys is None else code_keys,
        "status_list_keys": [key],
        "receipt_jwks": {"keys": []},
    }
    if cities:
        trust["cities"] = [city.claims() for city in cities]
    lists = {
        f"cities/{place}/{number}.cwt": token
        for place, city in enumerate(cities)
        for number, token in city.lists.items()
    }
    content = {
        "trust.json": json.dumps(trust).encode(),
        "catalogue.json": b'{"11100000000013338W011": "catalogue name"}',
        "status/1.cwt": status_token({}, issued_at=issued_at),
        **lists,
        **(files or {}),
    }
    content = {name: data for name, data in content.items() if data}
    claims = manifest_claims(
        content,
        service_id="CN-5000",
        verify_page="https://hufu.example/v",
        public_key_der=PUBLIC,
        issued_at=issued_at,
    )
    head = b64url(json.dumps({"alg": "ES256", "typ": typ}).encode())
    body = b64url(json.dumps(claims).encode())
    manifest = f"{head}.{body}.{b64url(raw_signature(f'{head}.{body}'.encode()))}"
    return build_zip({**content, MANIFEST: manifest.encode()})


def opened(values: dict[int, int] | None = None, *, issued_at: datetime = NOW) -> OfflinePack:
    return read_pack(pack_file({"status/1.cwt": status_token(values or {}, issued_at=issued_at)}, issued_at=issued_at))


# Status lists ---------------------------------------------------------------


@given(st.dictionaries(st.integers(0, SIZE - 1), st.integers(0, 3), max_size=60))
def test_values_come_back_from_a_token(values: dict[int, int]) -> None:
    read = read_cwt(status_token(values)).facts.values()
    assert all(read.at(index) == value for index, value in values.items())
    assert read.at(SIZE) is None
    assert read.at(-1) is None


def test_the_drafts_own_example_has_these_bytes() -> None:
    # Token Status List, section 4.1: two bits an entry, sixteen entries, C9 44 F9.
    example = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
    assert pack(12, enumerate(example)) == bytes.fromhex("c944f9")


def test_an_independent_implementation_reads_the_same_list() -> None:
    numbers = KEY.public_key().public_numbers()
    key = cwt.COSEKey.new(
        {1: 2, 2: KEY_ID, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    )
    token = status_token({INDEX: 2})
    claims = cbor2.loads(cwt.COSE.new().decode(token, keys=[key]))
    assert claims[2] == "https://hufu.example/status-lists/1"
    assert claims[65534] == 30
    assert claims[65533]["bits"] == 2
    facts = read_cwt(token).facts
    assert jwt_claims(facts)["status_list"]["lst"] == b64url(claims[65533]["lst"])


@given(st.binary(max_size=300))
def test_no_bytes_are_taken_for_a_list(data: bytes) -> None:
    with pytest.raises(BadStatusList):
        read_cwt(data)


# Packs ----------------------------------------------------------------------


def test_a_pack_is_read_back() -> None:
    pack_read = opened({INDEX: 2})
    assert (pack_read.service_id, pack_read.statuses[1].at(INDEX)) == ("CN-5000", 2)
    assert pack_read.types == {"11100000000013338W011": "catalogue name"}


def test_no_altered_pack_is_believed() -> None:
    good = pack_file()
    for position in range(0, len(good), 13):
        changed = bytearray(good)
        changed[position] ^= 1
        try:
            read = read_pack(bytes(changed))
        except BadPack:
            continue
        assert read == read_pack(good), position  # bytes that nothing reads, such as a time of day in the archive


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        build_zip({}),
        build_zip({MANIFEST: b"a.b.c"}),
        pack_file(typ="other+jwt"),
        pack_file({"status/1.cwt": b"no list"}),
        pack_file({"status/2.cwt": status_token({}, number=3)}),
        pack_file({"trust.json": b"{}"}),
    ],
)
def test_what_is_no_pack_is_refused(data: bytes) -> None:
    with pytest.raises(BadPack):
        read_pack(data)


def test_a_pinned_key_must_have_signed() -> None:
    good = pack_file()
    read = read_pack(good)
    assert read_pack(good, pinned_key_sha256=read.key_sha256) == read
    with pytest.raises(BadPack):
        read_pack(good, pinned_key_sha256=bytes(32))


# Verdicts -------------------------------------------------------------------


def tampered(text: str, kind: str) -> str:
    if kind == "none":
        return text
    if kind == "character":
        place = len(text) - 40
        return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    if kind == "cut":
        return text[:-7]
    return code_text(CLAIMS, key=OTHER_KEY)


OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
DAYS = [date(2025, 1, 1), date(2026, 3, 2), date(2026, 3, 3)]
ENDS: list[date | None] = [None, date(2026, 3, 1), date(2026, 3, 2), date(2030, 12, 31)]
TAMPERING = ["none", "character", "cut", "key"]
AGES = [timedelta(0), timedelta(hours=23, minutes=59), timedelta(hours=24), -timedelta(hours=1)]
KEYS = ["trusted", "compromised_before", "compromised_after", "unknown"]
LISTS = ["there", "missing"]


async def test_offline_and_online_agree_on_every_case() -> None:
    """States × dates × tampering × age of the pack × standing of the key × lists: more than 10,000 cases."""
    cases = list(product(STATES, DAYS, ENDS, TAMPERING, AGES, KEYS, LISTS))
    assert len(cases) >= 10_000
    texts: dict[tuple[date, date | None], str] = {}
    packs: dict[tuple[str, timedelta, str, str], OfflinePack] = {}
    online_verdicts: dict[tuple[Any, ...], Report] = {}
    for state, begin, end, kind, age, standing, listed in cases:
        if (begin, end) not in texts:
            licence = {key: value for key, value in CLAIMS[-65537].items() if key != 6} | {5: (begin - EPOCH).days}
            licence |= {} if end is None else {6: (end - EPOCH).days}
            # Older than every pack: one from before the code knows nothing of its licence.
            made = int((NOW - timedelta(days=1)).timestamp())
            texts[begin, end] = code_text(CLAIMS | {6: made, -65537: licence})
        text = tampered(texts[begin, end], kind)
        if (state, age, standing, listed) not in packs:
            packs[state, age, standing, listed] = pack_of(state, age, standing, listed)
        offline = judge_code_offline(text, packs[state, age, standing, listed], at=NOW)
        online_key = (state, begin, end, kind, standing)
        if online_key not in online_verdicts:
            online_verdicts[online_key] = await online(text, state, begin, end, standing)
        agree(offline, online_verdicts[online_key], fresh=timedelta(0) <= age < timedelta(hours=24), listed=listed)


def pack_of(state: str, age: timedelta, standing: str, listed: str) -> OfflinePack:
    base = opened({INDEX: STATES[state]}, issued_at=NOW - age)
    since = {"compromised_before": NOW - timedelta(days=1), "compromised_after": NOW + timedelta(days=1)}
    keys = (
        ()
        if standing == "unknown"
        else tuple(replace(key, not_trusted_from=since.get(standing)) for key in base.code_keys)
    )
    return replace(base, code_keys=keys, statuses=base.statuses if listed == "there" else {})


async def online(text: str, state: str, begin: date, end: date | None, standing: str) -> Report:
    from tests.verification import test_qr  # noqa: PLC0415 - its trusted keys are replaced for one call

    before = test_qr.TRUSTED
    test_qr.TRUSTED = pack_of(state, timedelta(0), standing, "there").code_keys
    try:
        return await judge(text, Record(state=state, valid_from=begin, valid_to=end))
    finally:
        test_qr.TRUSTED = before


def agree(offline: Report, online_report: Report, *, fresh: bool, listed: str) -> None:
    if fresh and listed == "there":
        assert offline.verdict is online_report.verdict
    elif offline.verdict is Verdict.VALID:
        raise AssertionError("valid on stale or missing data")
    elif offline.verdict is Verdict.INVALID:
        assert online_report.verdict is Verdict.INVALID or offline.reason is Reason.LICENCE_NOT_IN_FORCE


def test_stale_data_never_make_a_licence_valid_and_say_so() -> None:
    report = judge_code_offline(code_text(CLAIMS), opened(issued_at=NOW - timedelta(days=2)), at=NOW)
    assert (report.verdict, report.reason) == (Verdict.UNDETERMINED, Reason.DATA_STALE)
    assert report.data_as_of == NOW - timedelta(days=2)


def test_a_licence_issued_since_the_pack_was_made_is_not_called_unissued() -> None:
    """The places of a list wait as not yet issued; a genuine code from after the pack says it has been filled."""
    made = NOW - timedelta(hours=1)
    for issued_at, verdict, reason in (
        (made, Verdict.INVALID, Reason.LICENCE_PENDING),
        (made + timedelta(seconds=1), Verdict.UNDETERMINED, Reason.DATA_STALE),
    ):
        code = code_text(CLAIMS | {6: int(issued_at.timestamp())})
        report = judge_code_offline(code, opened({INDEX: STATES["pending"]}, issued_at=made), at=NOW)
        assert (report.verdict, report.reason) == (verdict, reason)


def test_a_link_to_elsewhere_is_told_without_a_network_too() -> None:
    code = code_text(CLAIMS).rpartition("#")[2]
    told = judge_code_offline(f"https://evil.example/v#{code}", opened(), at=NOW)
    assert (told.verdict, told.reason) == (Verdict.VALID, Reason.CODE_LEADS_ELSEWHERE)
    revoked = judge_code_offline(f"https://evil.example/v#{code}", opened({INDEX: 1}), at=NOW)
    assert (revoked.verdict, revoked.reason) == (Verdict.INVALID, Reason.LICENCE_NOT_IN_FORCE)
    assert revoked.advice[-1] == told.advice[-1]
    before_the_claim = replace(opened(), verify_pages=())
    assert judge_code_offline(f"https://evil.example/v#{code}", before_the_claim, at=NOW).reason is (
        Reason.ALL_CHECKS_PASSED
    )


def test_a_document_that_is_a_licence_needs_its_code() -> None:
    base = judge_code_offline(code_text(CLAIMS), opened(), at=NOW)
    document = sealed_by(f"NTRCN-{Record().issuer_code}", attached={"ZZBS": base.subject.identifier})
    assert judge_document_offline(document, None, opened(), at=NOW).reason is Reason.DATA_MISSING
    good = judge_document_offline(document, code_text(CLAIMS), opened(), at=NOW)
    assert good.verdict is Verdict.VALID
    withdrawn = judge_document_offline(document, code_text(CLAIMS), opened({INDEX: 1}), at=NOW)
    assert (withdrawn.verdict, withdrawn.reason) == (Verdict.INVALID, Reason.LICENCE_NOT_IN_FORCE)
    other = replace(document, attached={"ZZBS": "another"})
    assert judge_document_offline(other, code_text(CLAIMS), opened(), at=NOW).verdict is Verdict.INVALID
    resealed = sealed_by("NTRCN-11500000009275829L", attached=dict(document.attached or {}))
    for code in (code_text(CLAIMS), None):
        forged = judge_document_offline(resealed, code, opened(), at=NOW)
        assert (forged.verdict, forged.reason) == (Verdict.INVALID, Reason.LICENCE_SEALED_BY_ANOTHER)


# The command ----------------------------------------------------------------


def test_the_command_reads_texts_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack_path = tmp_path / "city.hufupack"
    pack_path.write_bytes(pack_file())
    text = tmp_path / "code.txt"
    text.write_text(code_text(CLAIMS))
    picture = tmp_path / "code.png"
    barcode = zxingcpp.create_barcode(code_text(CLAIMS), zxingcpp.BarcodeFormat.QRCode)
    Image.fromarray(barcode.to_image(scale=4)).save(picture)
    blank = tmp_path / "blank.png"
    Image.new("L", (200, 200), 255).save(blank)
    by_pack = ("--pack", str(pack_path), "--pack-key", FINGERPRINT, "--json")
    at = ("--at", NOW.isoformat())
    for path in (text, picture):
        assert dispatch(["verify", str(path), *by_pack, *at]) == 0
        capsys.readouterr()
    assert dispatch(["verify", str(blank), *by_pack, *at]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["error"]) == (None, "NoCodeFound")
    for moment, said in (
        (("--at", (NOW + timedelta(days=20)).isoformat()), "data_stale"),
        ((*at, "--known-at", (NOW - timedelta(minutes=1)).isoformat()), "not_known_then"),
    ):
        assert dispatch(["verify", str(text), *by_pack, *moment]) == 2
        assert json.loads(capsys.readouterr().out)["reason"] == said
    assert dispatch(["verify", str(text), *by_pack, *at, "--known-at", NOW.isoformat()]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["judged_at"] == answer["known_at"] == NOW.isoformat().replace("+00:00", "Z")
    # Months later the pack knows no more than on its day, whether or not somebody asks for more.
    for known_at in ((), ("--known-at", (NOW + timedelta(days=90)).isoformat())):
        assert dispatch(["verify", str(text), *by_pack, *at, *known_at]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["known_at"] == answer["data_as_of"] <= NOW.isoformat().replace("+00:00", "Z")
    assert dispatch(["verify", str(text), "--pack", str(pack_path), "--pack-key", "00" * 32, *at]) == 64
    pack_path.write_bytes(b"junk")
    assert dispatch(["verify", str(text), *by_pack, *at]) == 64


def test_nothing_is_valid_on_the_word_of_a_pack_that_anybody_may_have_signed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack_path, text = tmp_path / "city.hufupack", tmp_path / "code.txt"
    pack_path.write_bytes(pack_file())
    text.write_text(code_text(CLAIMS))
    command = ["verify", str(text), "--pack", str(pack_path), "--at", NOW.isoformat()]
    assert dispatch(command) == 2
    said = capsys.readouterr().out
    assert "无法确认；不说明现在是否有效" in said.splitlines()[0]
    assert f"自称来自 CN-5000，签名密钥的指纹是 {FINGERPRINT}" in said
    assert dispatch([*command, "--pack-key", said.rpartition("--pack-key ")[2].strip(" .\n")]) == 0
    pack_path.write_bytes(pack_file({"status/1.cwt": status_token({INDEX: 1})}))
    assert dispatch(command) == 1, "what a pack says against a licence is heeded, whoever signed it"


def test_the_command_says_which_licence_and_whose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack_path, text = tmp_path / "city.hufupack", tmp_path / "code.txt"
    pack_path.write_bytes(pack_file())
    licence = CLAIMS[-65537]
    command = ["verify", str(text), "--pack", str(pack_path), "--pack-key", FINGERPRINT, "--at", NOW.isoformat()]
    text.write_text(code_text(CLAIMS))
    assert dispatch(command) == 0
    said = capsys.readouterr().out
    for fact in (
        licence[1],
        *licence[3],
        licence[4],
        licence[9],
        "RFC 9052; RFC 8392",
        "Token Status List",
        "GB/T 36903",
    ):
        assert fact in said, fact
    text.write_text(code_text(CLAIMS | {-65537: licence | {3: ["张\x1b[2J三"]}}))
    assert dispatch(command) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(("share", "megabytes"), [(0.01, 2.3), (0.025, 4.7)])
def test_the_lists_of_a_city_stay_small(share: float, megabytes: float) -> None:
    """One signed list with so many withdrawn; 573 of them, a city's 150 million licences, in tenths of a megabyte."""
    chosen = random.Random(1).sample(range(CAPACITY), round(CAPACITY * share))  # noqa: S311 - the same each time
    token = status_token(dict.fromkeys(chosen, 1), size=CAPACITY)
    in_a_pack = len(build_zip({"status/572.cwt": token, MANIFEST: hashlib.sha256(token).hexdigest().encode()}))
    assert round(len(token) * 150 / CAPACITY, 1) <= megabytes
    assert in_a_pack * 150_000_000 / CAPACITY < 5_000_000
