"""What may leave: our own seal passes entirely, nothing in the document fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.verification.pki import NOW, Pki
from tests.verification.samples import add_dss, blank, seal
from verification.full_gate import refused
from verification.model import Check, Indication, Outcome, Sentence
from verification.pdf import validate_pdf
from verification.trust import TrustMaterial

if TYPE_CHECKING:
    from verification.model import Report

OURS = "Seal2"


@pytest.fixture(scope="module")
def twice_sealed(pki: Pki) -> Report:
    first = seal(blank(), pki, field="Seal1")
    material = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
    report = validate_pdf(seal(first, pki, field=OURS), material, at=NOW)
    assert [facts.field_name for facts in report.seals] == ["Seal1", OURS]
    return report


def judged(report: Report, field: str, indication: Indication, outcome: Outcome) -> Report:
    """Return a report whose one seal came out otherwise."""
    seals = tuple(
        replace(facts, indication=indication) if facts.field_name == field else facts for facts in report.seals
    )
    check = Check("seal.trust", "EN 319 102-1", outcome, Sentence("", ""), field)
    return replace(report, seals=seals, checks=(*report.checks, check), indication=indication)


def test_a_seal_that_passes_beneath_one_that_passes_may_leave(twice_sealed: Report) -> None:
    assert refused(twice_sealed, OURS) == ()


def test_an_earlier_seal_nobody_here_can_judge_does_no_harm_but_our_own_must_pass(twice_sealed: Report) -> None:
    stranger = judged(twice_sealed, "Seal1", Indication.INDETERMINATE, Outcome.UNKNOWN)
    assert refused(stranger, OURS) == ()
    untrusted = judged(twice_sealed, OURS, Indication.INDETERMINATE, Outcome.UNKNOWN)
    assert refused(untrusted, OURS) == ("seal.trust",)
    unexplained = replace(untrusted, checks=twice_sealed.checks)
    assert refused(unexplained, OURS) == ("seal.indication",)
    broken = judged(twice_sealed, "Seal1", Indication.TOTAL_FAILED, Outcome.FAILED)
    assert refused(broken, OURS) == ("seal.trust",)


def test_a_document_without_the_seal_that_was_just_applied_does_not_leave(twice_sealed: Report) -> None:
    assert refused(twice_sealed, "Seal9") == ("seal.missing",)


@pytest.mark.parametrize(
    ("name", "outcome", "leaves"),
    [
        ("pdf.readers_agree", Outcome.FAILED, False),
        ("pdf.readers_agree", Outcome.UNKNOWN, False),
        ("licence.record", Outcome.FAILED, False),
        ("licence.sealed_by_issuer", Outcome.FAILED, False),
        ("licence.agrees_with_record", Outcome.FAILED, False),
        ("licence.sealed_by_issuer", Outcome.UNKNOWN, True),
        ("licence.state", Outcome.FAILED, True),
        ("copy.term", Outcome.FAILED, True),
    ],
)
def test_a_licence_may_be_over_but_not_another_than_the_one_on_record(
    twice_sealed: Report, name: str, outcome: Outcome, *, leaves: bool
) -> None:
    check = Check(name, "", outcome, Sentence("", ""))
    report = replace(twice_sealed, checks=(*twice_sealed.checks, check))
    assert refused(report, OURS) == (() if leaves else (name,))


def test_what_is_not_trusted_here_does_not_leave(pki: Pki) -> None:
    document = add_dss(seal(blank(), pki), pki)
    report = validate_pdf(document, TrustMaterial(roots_der=()), at=NOW)
    assert refused(report, report.seals[0].field_name)
