"""Papers that show a licence without being one: whose seal would have to vouch for it (decision 0111)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from verification.identifier import Parts, read_identifier
from verification.model import NOT_SEARCHED, Check, Outcome, Reason, Report, Sentence, Verdict
from verification.own_documents import ASK_THE_ISSUER, sealed_for
from verification.qr import MalformedCode, read_code
from verification.words import paper_sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STANDARD = "GB/T 36903; GB/T 36904"
_TOLD = 5
"""Licences named in one sentence."""
_TOO_MANY = Check(
    "licence.shown",
    _STANDARD,
    Outcome.UNKNOWN,
    Sentence(
        "页面上的证照二维码或标识过多或无法读取，未能逐一核对。",
        "There are more codes or identifiers of licences on the pages than could be read.",
    ),
)


def drawn_licences(report: Report) -> dict[str, Parts]:
    """Return the licences that the codes on a paper's face name, whoever signed them, by the codes' texts."""
    found = {}
    for text in (report.code_text or "", *report.further_codes):
        try:
            parts = read_identifier(read_code(text).contents.identifier).parts
        except MalformedCode:
            continue
        if parts is not None:
            found[text] = parts
    return found


def strange_licences(report: Report) -> tuple[Parts, ...]:
    """Return the licences a paper names as text whose issuers did not seal it."""
    named = [parts for parts in (read_identifier(text).parts for text in report.named_licences) if parts is not None]
    sealed = {issuer: sealed_for(report, issuer) for issuer in {parts.issuer_code for parts in named}}
    return tuple(parts for parts in named if not sealed[parts.issuer_code])


def judge_shown(report: Report, *, codes: Mapping[str, Report] | None = None, faces: Iterable[Parts] = ()) -> Report:
    """Say of a paper that shows a licence, or names one, whether its seal vouches for that licence.

    A sound seal makes the paper genuine, not the licence upon it. What shows a licence whose issuer did not seal it
    is not confirmed, nor one whose code is not found good; what only names a licence stays what it is, and says so.
    Every sound paper says what its seal proves.

    Args:
        report: on the paper, which carries no licence data.
        codes: the verdicts on the codes drawn on it by their texts, where they could be judged.
        faces: licences named in it whose faces its pages are.
    """
    if report.attached is not None or report.subject.kind == "receipt":
        return report
    judged = _judge_shown(report, codes, faces)
    if judged.verdict is not Verdict.VALID:
        return judged
    return replace(judged, advice=(what_the_seal_proves(judged), *judged.advice))


def _judge_shown(report: Report, codes: Mapping[str, Report] | None, faces: Iterable[Parts]) -> Report:
    for text, licence in drawn_licences(report).items():
        code = None if codes is None else codes[text]
        vouched = sealed_for(report, licence.issuer_code) and (code is None or code.verdict is Verdict.VALID)
        report = _found(report, licence, () if code is None else code.checks, vouched=vouched)
        if not vouched:
            return _not_confirmed(report)
    if report.shown_cut:
        return _not_confirmed(replace(report, checks=(*report.checks, _TOO_MANY)))
    strange = strange_licences(report)
    if not strange:
        return _alike(report) if report.seems_shown else _not_searched(report)
    shown = next(iter(faces), None)
    if shown is not None:
        return _not_confirmed(_found(report, shown, (), vouched=False))
    return _named(report, strange)


def what_the_seal_proves(report: Report) -> Sentence:
    """Return what stands beside every sound paper (decision 0111).

    Whatever the search for licences misses, nobody may take 有效 above a page for a verdict on a licence shown there.
    """
    return paper_sentence(dict.fromkeys(seal.signer for seal in report.seals if seal.kind == "seal" and seal.signer))


def _not_searched(report: Report) -> Report:
    """Let the reason and advice say of a sound paper that not all its pages were searched (decision 0135)."""
    remark = next((check for check in report.checks if check.name == NOT_SEARCHED), None)
    if remark is None or report.reason is not Reason.ALL_CHECKS_PASSED:
        return report
    return replace(report, reason=Reason.PAGES_NOT_SEARCHED, advice=(*report.advice, remark.detail))


def _found(report: Report, licence: Parts, further: tuple[Check, ...], *, vouched: bool) -> Report:
    sentence = (
        Sentence(
            f"页面上的证照（{licence.text}）由盖章单位颁发，二维码属实。",
            f"The licence shown ({licence.text}) is of the organisation that sealed this, and its code holds.",
        )
        if vouched
        else Sentence(
            f"页面上的证照（{licence.text}）不能凭此文件的印章确认。",
            f"The seal on this file does not confirm the licence shown ({licence.text}).",
        )
    )
    check = Check("licence.shown", _STANDARD, Outcome.PASSED if vouched else Outcome.UNKNOWN, sentence)
    return replace(report, checks=(*report.checks, check, *further))


def _not_confirmed(report: Report) -> Report:
    if report.verdict is not Verdict.VALID:
        return report
    return replace(
        report,
        verdict=Verdict.UNDETERMINED,
        reason=Reason.LICENCE_NOT_VOUCHED_FOR,
        advice=(*report.advice, ASK_THE_ISSUER),
    )


def _named(report: Report, licences: tuple[Parts, ...]) -> Report:
    texts = [licence.text for licence in licences[:_TOLD]]
    more = len(licences) - len(texts)
    sentence = Sentence(
        f"文件提到证照 {'、'.join(texts)}{f' 等 {len(licences)} 个' if more else ''}；"
        "其颁发机构未在此文件盖章，请按标识另行核验该证照。",
        f"The file names the licence {', '.join(texts)}{f' and {more} more' if more else ''}, "
        "whose issuer did not seal it: verify it by its identifier.",
    )
    return _remarked(report, "licence.named", sentence)


def _alike(report: Report) -> Report:
    """Say of pages that look like a licence, and bear no code or identifier to tell which, that nothing vouches for it.

    A title, a number and an issuer are words that any paper may hold: the verdict stays (decision 0135).
    """
    titles = "、".join(report.seems_shown)
    sentence = Sentence(
        f"页面看似证照（{titles}），但没有可核验的二维码或标识，该证照未经核验。",
        f"A page looks like a licence ({titles}) without a code or identifier to verify: that licence was not checked.",
    )
    return _remarked(report, "licence.looks_alike", sentence)


def _remarked(report: Report, name: str, sentence: Sentence) -> Report:
    """Add a remark that stands beside a verdict and does not change it."""
    passed = report.reason is Reason.ALL_CHECKS_PASSED
    return replace(
        report,
        reason=Reason.LICENCE_ONLY_NAMED if passed else report.reason,
        checks=(*report.checks, Check(name, _STANDARD, Outcome.NOT_APPLICABLE, sentence)),
        advice=(*report.advice, sentence),
    )
