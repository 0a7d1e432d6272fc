from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.verification.pki import issue
from tests.verification.records import IDENTIFIER, Record
from tests.verification.test_codec import REPORT
from verification.evidence import SealEvidence
from verification.model import Indication, Outcome, Reason, Report, Verdict
from verification.own_documents import (
    judge_known_document,
    judge_sealer,
    judge_with_record,
    without_state,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ISSUER, OTHER = Record().issuer_code, "11500000009275829L"
COPY = {"ZZMC": "食品经营许可证", "ZZBS": IDENTIFIER, "JZJYXQJZSJ": "2026-03-05"}


def sealed_by(*organisations: str, attached: dict[str, str] = COPY) -> Report:
    """Return the report on a licence under sound seals of these organisations."""
    evidence = tuple(SealEvidence("S", path_der=(issue("印章", None, organisation=one).der,)) for one in organisations)
    return replace(REPORT, attached=attached, seals=REPORT.seals[:1] * len(organisations), evidence=evidence)


@pytest.mark.parametrize(
    ("days", "verdict", "reason"),
    [
        (0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (3, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (4, Verdict.INVALID, Reason.COPY_EXPIRED),
    ],
)
def test_a_purpose_bound_copy_ends_with_its_term(days: int, verdict: Verdict, reason: Reason) -> None:
    at = NOW + timedelta(days=days)
    known = judge_known_document(Record(), bytes(32), COPY, at=at, now=NOW)
    parsed = judge_with_record(replace(REPORT, attached=COPY), Record(), at=at)
    for report in (known, parsed):
        assert (report.verdict, report.reason) == (verdict, reason)


def test_a_term_that_is_no_date_counts_as_over() -> None:
    known = judge_known_document(Record(), bytes(32), COPY | {"JZJYXQJZSJ": "soon"}, at=NOW, now=NOW)
    assert known.reason is Reason.COPY_EXPIRED


def test_attached_data_that_differ_from_the_record_are_named_field_by_field() -> None:
    report = judge_with_record(replace(REPORT, attached=COPY | {"ZZMC": "营业执照"}), Record(), at=NOW)
    assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.DOCUMENT_DIFFERS_FROM_RECORD)
    assert {item.field: item.same for item in report.comparisons} == {"ZZMC": False, "ZZBS": True}


def test_the_record_cannot_mend_a_bad_seal() -> None:
    forged = replace(REPORT, verdict=Verdict.INVALID, reason=Reason.SEAL_FORGED, attached=COPY)
    assert judge_with_record(forged, Record(), at=NOW).reason is Reason.SEAL_FORGED
    unknown = replace(REPORT, verdict=Verdict.UNDETERMINED, reason=Reason.CERTIFICATE_UNTRUSTED, attached=COPY)
    assert judge_with_record(unknown, Record(), at=NOW).verdict is Verdict.UNDETERMINED
    assert judge_with_record(unknown, Record(state="revoked"), at=NOW).verdict is Verdict.INVALID


def test_without_records_only_the_seal_is_vouched_for() -> None:
    report = without_state(sealed_by(f"NTRCN-{ISSUER}"))
    assert (report.verdict, report.reason) == (Verdict.VALID, Reason.LICENCE_STATE_NOT_CHECKED)
    assert without_state(replace(REPORT, attached=None)) == replace(REPORT, attached=None)


@pytest.mark.parametrize(
    ("organisations", "verdict"),
    [
        ((f"NTRCN-{ISSUER}",), Verdict.VALID),
        ((f"GOVCN-{ISSUER}",), Verdict.VALID),
        ((f"NTRCN-{OTHER}", f"NTRCN-{ISSUER}"), Verdict.VALID),
        ((f"NTRCN-{OTHER}",), Verdict.INVALID),
        ((f"NTRCN-{ISSUER}0",), Verdict.INVALID),
        (("",), Verdict.INVALID),
    ],
)
def test_a_licence_under_another_departments_seal_is_no_licence(
    organisations: tuple[str, ...], verdict: Verdict
) -> None:
    report = judge_sealer(sealed_by(*organisations), ISSUER)
    judged = judge_with_record(report, Record(), at=NOW)
    assert judged.verdict is verdict
    found = next(check for check in judged.checks if check.name == "licence.sealed_by_issuer")
    assert (found.outcome is Outcome.PASSED) == (verdict is Verdict.VALID)
    assert (judged.reason is Reason.LICENCE_SEALED_BY_ANOTHER) == (verdict is Verdict.INVALID)


def test_a_seal_that_does_not_hold_counts_for_nobody() -> None:
    evidence = (SealEvidence("S", path_der=(issue("印章", None, organisation=f"NTRCN-{ISSUER}").der,)),)
    failed = (replace(REPORT.seals[0], indication=Indication.INDETERMINATE),)
    report = judge_sealer(replace(REPORT, attached=COPY, seals=failed, evidence=evidence), ISSUER)
    assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.LICENCE_SEALED_BY_ANOTHER)


@pytest.mark.parametrize(
    ("organisation", "identifier", "verdict", "reason"),
    [
        (f"NTRCN-{ISSUER}", IDENTIFIER, Verdict.VALID, Reason.LICENCE_STATE_NOT_CHECKED),
        (f"NTRCN-{OTHER}", IDENTIFIER, Verdict.INVALID, Reason.LICENCE_SEALED_BY_ANOTHER),
        ("", IDENTIFIER, Verdict.UNDETERMINED, Reason.LICENCE_SEALER_UNKNOWN),
        (f"NTRCN-{OTHER}", "no identifier", Verdict.UNDETERMINED, Reason.LICENCE_SEALER_UNKNOWN),
        ("NTRCN-", "", Verdict.UNDETERMINED, Reason.LICENCE_SEALER_UNKNOWN),
    ],
    ids=["issuer", "another", "names nobody", "no identifier", "neither"],
)
def test_without_records_the_seal_is_held_to_the_issuer_the_licence_names(
    organisation: str, identifier: str, verdict: Verdict, reason: Reason
) -> None:
    report = without_state(sealed_by(organisation, attached=COPY | {"ZZBS": identifier}))
    assert (report.verdict, report.reason) == (verdict, reason)
