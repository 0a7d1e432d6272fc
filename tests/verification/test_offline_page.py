"""The offline page's modules and `hufu verify --pack` answer alike, case by case; Node.js runs the modules."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.web.rendering import STATIC
from tests.support import node
from tests.verification import neighbour
from tests.verification.test_offline import (
    AGES,
    DAYS,
    ENDS,
    INDEX,
    KEYS,
    LISTS,
    TAMPERING,
    b64url,
    pack_file,
    raw_signature,
    status_token,
    tampered,
)
from tests.verification.test_qr import CLAIMS, EPOCH, KEY_ID, NOW, PUBLIC, code_text
from verification.model import Check, Outcome, Reason
from verification.offline import judge_code_offline
from verification.packs import MANIFEST, BadPack, LeftOut, OfflinePack, build_zip, read_pack
from verification.trust import VerificationKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from verification.model import Report

P384 = (
    ec.generate_private_key(ec.SECP384R1())
    .public_key()
    .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)
SINCE = {"compromised_before": NOW - timedelta(days=1), "compromised_after": NOW + timedelta(days=1)}


@dataclass
class Both:
    """What both are asked, and what ours answered."""

    folder: Path
    packs: list[bytes] = field(default_factory=list)
    opened: list[OfflinePack | None] = field(default_factory=list)
    cases: list[tuple[str, int]] = field(default_factory=list)

    def add_pack(self, data: bytes) -> int:
        self.packs.append(data)
        try:
            self.opened.append(read_pack(data))
        except BadPack:
            self.opened.append(None)
        return len(self.packs) - 1

    async def ask(self) -> list[str]:
        """Ask both; return the verdicts, which are the same."""
        task = {
            "packs": [base64.b64encode(data).decode() for data in self.packs],
            "cases": self.cases,
            "now": NOW.timestamp() * 1000,
        }
        page = await node.play(self.folder, "judge.mjs", task)
        assert page["opened"] == [pack is not None for pack in self.opened]
        assert len(page["answers"]) == len(self.cases)
        for (text, number), answer in zip(self.cases, page["answers"], strict=True):
            pack = self.opened[number]
            assert pack is not None
            assert answer == told(judge_code_offline(text, pack, at=NOW)), (text[:60], len(text), number)
        return [answer[0] for answer in page["answers"]]


def told(report: Report) -> list[Any]:
    checks = [[check.name, check.outcome.value, why(check)] for check in report.checks]
    return [report.verdict.value, report.reason.value, checks, report.data_as_of.timestamp() * 1000]


def why(check: Check) -> str:
    """Return what the page calls the sentence of a check that could not be made."""
    if check.outcome is not Outcome.UNKNOWN:
        return ""
    named: str = next(one.value for one in (*LeftOut, *Reason) if one.sentence == check.detail)
    return named


@pytest.fixture
def both(tmp_path: Path) -> Both:
    for name in ("judge.js", "format.js"):
        shutil.copy(STATIC / "offline" / name, tmp_path)
    shutil.copy(f"{__file__.rpartition('/')[0]}/judge.mjs", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return Both(tmp_path)


def code_key(standing: str = "trusted") -> list[dict[str, Any]]:
    if standing == "unknown":
        return []
    since = SINCE[standing].isoformat() if standing in SINCE else None
    return [{"key_id": KEY_ID.hex(), "der": base64.b64encode(PUBLIC).decode(), "not_trusted_from": since}]


def changed(**licence: object) -> dict[int, Any]:
    """Return the claims of a good code with members of its licence map set (`_5`), or taken out by None."""
    members = CLAIMS[-65537] | {int(name[1:]): value for name, value in licence.items()}
    return CLAIMS | {-65537: {key: value for key, value in members.items() if value is not None}}


async def test_both_agree_on_the_matrix(both: Both) -> None:
    """Every genuine code by every pack, and every ninth of the tampered ones: their lists and dates change nothing."""
    codes = {
        (begin, end): code_text(changed(_5=(begin - EPOCH).days, _6=None if end is None else (end - EPOCH).days))
        for begin, end in product(DAYS, ENDS)
    }
    texts = {(*dates, kind): tampered(text, kind) for (dates, text), kind in product(codes.items(), TAMPERING)}
    for value, age, standing, listed in product(range(4), AGES, KEYS, LISTS):
        token = status_token({INDEX: value}, issued_at=NOW - age)
        files = {"status/1.cwt": token} if listed == "there" else {"status/1.cwt": b""}
        number = both.add_pack(pack_file(files, issued_at=NOW - age, code_keys=code_key(standing)))
        both.cases += [
            (text, number)
            for place, ((_, _, kind), text) in enumerate(texts.items())
            if kind == "none" or (place + number) % 9 == 0
        ]
    assert len(both.cases) > 2_000
    assert set(await both.ask()) == {"VALID", "INVALID", "UNDETERMINED"}


def written(message: bytes) -> str:
    return "HF1" + base64.b32encode(message).decode().rstrip("=")


async def test_both_agree_on_odd_codes(both: Both) -> None:
    good = code_text(CLAIMS)
    payload = good.rpartition("#HF1")[2]
    packed = base64.b32decode(payload + "=" * (-len(payload) % 8))
    inner = zlib.decompress(packed)
    licences: list[dict[str, Any]] = [
        *({"_10": copy} for copy in (0, 1, 2, True)),
        *({"_6": day} for day in (-1, 2**33, "x", 2932896, 2932897)),
        *({"_5": day} for day in (-719162, -719163, True)),
        *({"_8": place} for place in (-1, 8191, 8192, 2**34, 2**60, "x")),
        *({"_3": names} for names in ([], ["a"] * 50, [1], b"ab")),
        *({"_7": 2}, {"_1": ""}, {"_1": None}, {"_11": "more"}, {"_2": 5}, {"_9": "\ufeffx"}),
    ]
    texts = [code_text(changed(**one)) for one in licences]
    ends = [int(NOW.timestamp()) + shift for shift in (-1, 0, 1)]
    texts += [code_text(changed(_10=1) | {4: end}) for end in (*ends, "x", -5, 2**40)]
    texts += [code_text(CLAIMS | {1: service}) for service in ("CN-5100", 5)]
    texts += [code_text(CLAIMS, tag=17), code_text(CLAIMS, alg=-8)]
    messages = [
        zlib.compress(inner, 1),
        zlib.compress(inner) + b"x",
        zlib.compress(inner) * 2,
        packed[:-1],
        packed[:-4] + bytes(4),
        zlib.compress(inner + b"\0"),
        zlib.compress(b"\xd8\x12" + inner[1:]),
        zlib.compress(b"\xd9\0\x12" + inner[1:]),
        zlib.compress(b"\xd2\x98\x04" + inner[2:]),
        zlib.compress(b"\xd8\x3d" + inner),
        zlib.compress(inner.replace(b"\xa0", b"\xa1\x01\x02", 1)),
        zlib.compress(bytes([0x81]) * 40 + b"\0"),
        inner,
    ]
    texts += [written(message) for message in messages]
    texts += [
        good.lower(),
        f" {good}\n",
        payload,
        f"HF1{payload}",
        f"##HF1{payload}",
        f"{good}#x",
        f"{good}=",
        good[:-1],
    ]
    texts += ["", "HF1", "没有码", "x" * 4001, f"http://{'a' * 3700}#HF1{payload}", good + " " * 5000]
    links = (
        "https://evil.example/v",
        "http://a b",
        "https://hufu.example:443/other",
        "https://hufu.example@evil.example/",
    )
    texts += [f"{link}#HF1{payload}" for link in links]
    fresh = both.add_pack(pack_file(code_keys=code_key()))
    both.cases += [(text, fresh) for text in texts]
    verdicts = dict(zip(texts, await both.ask(), strict=True))
    assert verdicts[good.lower()] == "VALID"
    assert [verdicts[written(message)] for message in messages] == ["VALID"] + ["INVALID"] * (len(messages) - 1)


async def test_both_agree_on_a_neighbours_codes(both: Both) -> None:
    """Every case of a trusted city: state, dates, tampering, how its list came, how the city stands here."""
    packs: dict[bytes, int] = {}
    for case in neighbour.cases():
        if case.pack not in packs:
            packs[case.pack] = both.add_pack(case.pack)
        both.cases.append((case.text, packs[case.pack]))
    good = next(neighbour.codes())
    for value, age in product(range(4), AGES):
        pack = neighbour.pack_with(neighbour.CITY, neighbour.status_list(value, "there"), issued_at=NOW - age)
        both.cases.append((good, both.add_pack(pack)))
    assert None not in both.opened
    assert set(await both.ask()) == {"VALID", "INVALID", "UNDETERMINED"}


async def test_both_know_a_neighbours_codes_by_packs_of_before_but_not_their_state(both: Both) -> None:
    """The neighbour's list 1 is not our list 1, in which the place is taken by a revoked licence of ours."""
    theirs = [key | {"service": "CN-5108"} for key in code_key()]
    compromised = [key | {"service": "CN-5108"} for key in code_key("compromised_before")]
    genuine = code_text(CLAIMS | {1: "CN-5108"})
    expired = code_text(changed(_6=1) | {1: "CN-5108"})
    revoked = {"status/1.cwt": status_token({INDEX: 1})}
    for keys, text in (
        (theirs, genuine),
        (theirs, genuine.replace("hufu.example", "neighbour.example")),
        (theirs, code_text(CLAIMS)),
        (theirs, expired),
        (theirs, tampered(genuine, "key")),
        (compromised, genuine),
    ):
        both.cases.append((text, both.add_pack(pack_file(revoked, code_keys=keys))))
    undetermined, invalid = "UNDETERMINED", "INVALID"
    # What "key" forges is a code in our own name: under a neighbour's key alone its signer is unknown.
    assert await both.ask() == [undetermined, undetermined, undetermined, invalid, undetermined, invalid]


@pytest.mark.parametrize("der", [P384, b"none"], ids=["P-384", "none"])
async def test_both_agree_on_a_code_whose_key_is_none_of_ours(both: Both, der: bytes) -> None:
    """Packs of earlier releases held whatever key a neighbour stated."""
    identifier = hashlib.sha256(der).digest()[:8]
    city = replace(neighbour.CITY, code_keys=(VerificationKey(identifier, der, "CN-5108"),))
    text = code_text(CLAIMS | {1: "CN-5108"}, key=neighbour.THEIR_KEY, key_id=identifier)
    number = both.add_pack(neighbour.pack_with(city, neighbour.status_list(0, "there")))
    both.cases += [(text, number), (code_text(CLAIMS), number)]
    assert await both.ask() == ["INVALID", "VALID"]


def rebuilt(pack: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return a pack with one file changed and everything else as it was."""
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    return build_zip(files | {name: change(files.get(name, b""))})


async def test_both_refuse_the_same_packs(both: Both) -> None:
    good = pack_file()
    token = status_token({})
    flipped = bytes([*token[:-1], token[-1] ^ 1])
    altered_list = token.replace(b"\x18\x1e", b"\x18\x1d", 1)
    assert altered_list != token
    wrong_signature = b64url(raw_signature(b"something else")).encode()
    for data in (
        pack_file({"status/1.cwt": flipped}),
        pack_file({"status/1.cwt": altered_list}),
        pack_file({"status/2.cwt": status_token({}, number=3)}),
        pack_file(typ="other+jwt"),
        build_zip({}),
        rebuilt(good, MANIFEST, lambda manifest: manifest.rpartition(b".")[0] + b"." + wrong_signature),
        rebuilt(good, "catalogue.json", lambda content: content.replace(b"name", b"nama")),
        rebuilt(good, "trust.json", lambda content: content.replace(b"crls", b"crlz")),
        rebuilt(good, "status/9.cwt", lambda _: status_token({}, number=9)),
    ):
        assert both.opened[both.add_pack(data)] is None
    # A pack ends with its oldest list.
    old_list = status_token({}, issued_at=NOW - timedelta(hours=25))
    both.cases = [
        (code_text(CLAIMS), both.add_pack(pack_file({"status/1.cwt": old_list}))),
        (code_text(CLAIMS), both.add_pack(good)),
    ]
    assert await both.ask() == ["UNDETERMINED", "VALID"]
