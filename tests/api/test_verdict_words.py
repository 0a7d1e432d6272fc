"""What the page says of a verdict: nothing that the verdict does not carry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from api.web.pages.public import reason_of
from licence_vault.catalogue import seeded_types
from licence_vault.faces import FaceFacts, metadata
from licence_vault.model import Holder
from tests.licence_vault.samples import FOOD
from verification.field_names import field_name
from verification.model import LicenceFacts, Reason, Report, Subject, Verdict

DAY, HOLDER = date(2026, 3, 2), Holder("公司", "001", "91500101MA5U000000")
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
REVOKED = LicenceFacts(
    "1.2.156.3005.2.X",
    "X",
    "食品经营许可证",
    "X",
    "市监局",
    date(2026, 3, 2),
    None,
    "revoked",
    datetime(2026, 3, 1, 17, tzinfo=UTC),
)


def report(verdict: Verdict, reason: Reason, facts: LicenceFacts | None, kind: str = "identifier") -> Report:
    return Report(verdict, reason, Subject(kind), NOW, NOW, (), licence=facts)


def test_a_reason_of_state_says_since_when_and_no_other_does() -> None:
    revoked = report(Verdict.INVALID, Reason.LICENCE_REVOKED, REVOKED)
    assert reason_of(revoked, "zh") == f"{Reason.LICENCE_REVOKED.sentence.zh.rstrip('。')}（2026年3月2日起）。"
    assert reason_of(revoked, "en").endswith("(2026-03-02).")
    changed = report(Verdict.INVALID, Reason.DOCUMENT_CHANGED, replace(REVOKED, state="valid"), "pdf")
    assert reason_of(changed, "zh") == Reason.DOCUMENT_CHANGED.sentence.zh
    over = report(Verdict.INVALID, Reason.LICENCE_EXPIRED, replace(REVOKED, state="valid"))
    assert reason_of(over, "en") == Reason.LICENCE_EXPIRED.sentence.en


def test_a_sealed_paper_is_not_called_a_licence() -> None:
    paper = report(Verdict.VALID, Reason.ALL_CHECKS_PASSED, None, "pdf")
    assert reason_of(paper, "zh") == "印章有效，盖章之后文件没有改动。"
    licence = report(Verdict.VALID, Reason.ALL_CHECKS_PASSED, replace(REVOKED, state="valid"), "pdf")
    assert reason_of(licence, "zh") == Reason.ALL_CHECKS_PASSED.sentence.zh


def test_every_field_that_is_compared_has_a_name_for_people() -> None:
    food = next(item for item in seeded_types() if item.code == FOOD)
    facts = FaceFacts("1.2", "JY1", "X", "市监局", (HOLDER,), {"signed_by": "局长"}, DAY, DAY, None)
    names = {field: field_name(field) for field in metadata(food, facts)}
    unnamed = {field for field, name in names.items() if field in name.zh}
    assert not unnamed
    assert names["KZ_signed_by"].zh == "证照内容“signed_by”"
    assert (field_name("rendering.text.2").zh, field_name("rendering.pages.0").zh) == ("第2页文字", "页数")
