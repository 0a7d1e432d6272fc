from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from verification.limits import DEFAULT_LIMITS
from verification.model import Check, Indication, Outcome, Reason, Report, SealFacts, Sentence, Subject, Verdict
from verification.sandbox.codec import (
    MAXIMUM_ANSWER,
    UnreadableAnswer,
    decode_answer,
    decode_request,
    decode_text,
    encode_error,
    encode_report,
    encode_request,
    encode_value,
)
from verification.trust import TrustMaterial

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SEAL = SealFacts("Seal1", "seal", "B-T", "演示市", NOW, "timestamp", Indication.TOTAL_PASSED, "", True, "ab")
REPORT = Report(
    verdict=Verdict.VALID,
    reason=Reason.ALL_CHECKS_PASSED,
    subject=Subject("pdf", sha256_hex="00ff"),
    checked_at=NOW,
    data_as_of=NOW,
    checks=(Check("a", "b", Outcome.PASSED, Sentence("中", "en")),),
    indication=Indication.TOTAL_PASSED,
    sub_indication="NONE",
    seals=(SEAL, dataclasses.replace(SEAL, sealed_at=None)),
    attached={"ZZMC": "证"},
    revocation_urls=("http://ca.invalid/a.crl",),
    code_text="HF1AAAA",
    named_licences=("1.2.156.3005.2.A",),
)


def test_every_field_that_the_gate_fills_comes_back() -> None:
    assert decode_answer(encode_report(REPORT)) == REPORT
    crowded = dataclasses.replace(REPORT, further_codes=("HF1BBBB",), shown_cut=True, seems_shown=("执照",))
    assert decode_answer(encode_report(crowded)) == crowded
    bare = dataclasses.replace(REPORT, attached=None, code_text=None, seals=(), revocation_urls=())
    assert decode_answer(encode_report(bare)) == bare


def test_requests_texts_and_errors_come_back() -> None:
    material = TrustMaterial((b"a",), (b"b",), (b"c",), (b"d",), (b"e",), {b"f": NOW}, NOW)
    assert decode_request(encode_request(material, NOW, DEFAULT_LIMITS)) == (material, NOW, DEFAULT_LIMITS)
    assert decode_text(encode_value("HF1")) == "HF1"
    assert decode_text(encode_value(None)) is None
    assert decode_answer(encode_error("NotAPdf", "no")) == ("NotAPdf", "no")


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"report": {}}', b'{"report": null}', b"\xff"])
def test_anything_else_is_refused(answer: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        decode_answer(answer)
    with pytest.raises(UnreadableAnswer):
        decode_text(answer)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b'{"value":"' + b"x" * MAXIMUM_ANSWER + b'"}', id="too long"),
        pytest.param(b'{"value":[' + b"[]," * 60_000 + b"0]}", id="nothing but lists"),
        pytest.param(b'{"value":"\\uD800"}', id="half a character"),
        pytest.param('{"value":"\\ud800"}'.encode("utf-16"), id="half a character in another encoding"),
        pytest.param(b'{"error":"NotAPdf","detail":"\\udfff"}', id="half a character in an error"),
        pytest.param(b'{"value":' + b"[" * 90_000 + b"]" * 90_000 + b"}", id="deep"),
    ],
)
def test_an_answer_that_costs_its_reader_is_refused(answer: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        decode_answer(answer)
    with pytest.raises(UnreadableAnswer):
        decode_text(answer)


def test_texts_beyond_the_first_plane_come_back_and_an_error_tells_only_so_much() -> None:
    assert decode_text(encode_value("𠮷")) == "𠮷"
    assert decode_answer(encode_error("x" * 2000, "y" * 2000)) == ("x" * 1000, "y" * 1000)


def test_the_json_of_a_report_has_the_members_that_are_promised() -> None:
    members = json.loads(json.dumps(REPORT.to_json()))
    assert {"verdict", "reason", "indication", "sub_indication", "data_as_of", "checks"} <= members.keys()
    assert "attached" not in members
    assert "code_text" not in members
