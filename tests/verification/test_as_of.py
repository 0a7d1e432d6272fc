"""Was it valid at a moment, as known at a moment: every way in gives the same answer and names both moments."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from foundation.clock import CIVIL_TIME
from foundation.errors import InvalidInput
from foundation.principal import ANONYMOUS
from licence_vault.model import LicenceState, ReasonCode, StateChange
from tests.verification.city import BUREAU, City, small_city
from tests.verification.test_receipt_papers import text_of
from verification.as_of import AsOf
from verification.etsi_report import etsi_report
from verification.model import (
    Check,
    Indication,
    LicenceFacts,
    Outcome,
    Reason,
    Report,
    SealFacts,
    Sentence,
    Subject,
    Verdict,
)
from verification.offline import judge_code_offline, judge_pack_age
from verification.packs import read_pack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from foundation.settings import Settings
    from verification.service import Verified

VALID, INVALID, UNDETERMINED = Verdict.VALID, Verdict.INVALID, Verdict.UNDETERMINED
THEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
async def city(settings: Settings) -> AsyncIterator[City]:
    async with small_city(settings) as city:
        yield city


def claims_of(verified: Verified) -> dict[str, Any]:
    payload = verified.receipt.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


async def test_every_way_in_answers_of_a_moment_as_known_at_a_moment(city: City) -> None:
    """Revoked with effect from before it was recorded: what one asks decides, and the receipt says what was asked."""
    application = city.application
    service, now = application.services.verification, application.services.clock.now
    unissued = now()
    licence = await city.issue()
    pdf = (await application.vault.licences.face_pdf(BUREAU, licence.identifier)).pdf
    sealed = now()
    effective = now()
    unrecorded = now()
    revoke = StateChange(LicenceState.REVOKED, ReasonCode.ILLEGAL_ACT, "吊销", "《食品安全法》", effective_at=effective)
    await city.change(licence.identifier, revoke)
    recorded = now()
    ways: dict[str, Callable[..., Awaitable[Verified]]] = {
        "identifier": lambda **asked: service.by_identifier(ANONYMOUS, licence.identifier, **asked),
        "code": lambda **asked: service.by_qr(ANONYMOUS, licence.qr_text, **asked),
        "kept pdf": lambda **asked: service.by_pdf(ANONYMOUS, pdf, **asked),
        "pdf": lambda **asked: service.by_pdf(ANONYMOUS, pdf + b"\n", **asked),
    }
    cases: tuple[tuple[dict[str, datetime], Reason], ...] = (
        ({}, Reason.LICENCE_REVOKED),
        ({"at": recorded}, Reason.LICENCE_REVOKED),
        ({"at": unrecorded}, Reason.LICENCE_REVOKED),
        ({"at": sealed}, Reason.ALL_CHECKS_PASSED),
        ({"at": unrecorded, "known_at": recorded}, Reason.LICENCE_REVOKED),
        ({"at": unrecorded, "known_at": unrecorded}, Reason.ALL_CHECKS_PASSED),
        ({"known_at": unrecorded}, Reason.ALL_CHECKS_PASSED),
        ({"known_at": unissued}, Reason.LICENCE_PENDING),
    )
    for way, ask in ways.items():
        # Examining costs most: what differs between the two PDFs is how a licence is found, not what is asked.
        for asked, reason in cases[2::3] if way == "pdf" else cases:
            before = now()
            verified = await ask(**asked)
            report, claims = verified.report, claims_of(verified)
            assert report.reason is reason, (way, asked, report.checks)
            assert (report.verdict is VALID) == (reason is Reason.ALL_CHECKS_PASSED)
            if not asked:
                assert (claims["judged_at"], claims["known_at"]) == (None, None)
                continue
            # A receipt that reads VALID for a licence that is revoked says of what moment, and as known when.
            assert report.judged_at is not None
            assert report.known_at is not None
            for name, moment in (("judged_at", report.judged_at), ("known_at", report.known_at)):
                wanted = asked.get(name.replace("judged_at", "at"))
                assert moment == wanted or (wanted is None and before <= moment <= now())
                assert claims[name] == moment.isoformat()
            assert report.data_as_of <= report.known_at
            told = await service.by_receipt(verified.receipt)
            assert (told.judged_at, told.known_at) == (report.judged_at, report.known_at)
    paper = await service.receipt_paper((await ways["code"](at=unrecorded, known_at=unrecorded)).receipt)
    of_paper = await service.by_pdf(ANONYMOUS, paper)
    assert (of_paper.report.verdict, of_paper.report.reason) == (VALID, Reason.RECEIPT_GENUINE)
    said = claims_of(of_paper)
    assert (said["judged_at"], said["known_at"]) == (unrecorded.isoformat(),) * 2
    for way, ask in ways.items():
        for field in ("at", "known_at"):
            with pytest.raises(InvalidInput, match="future") as refused:
                await ask(**{field: now() + timedelta(hours=1)})
            assert refused.value.field == field, way


async def test_what_is_said_of_a_revoked_licence_as_known_before_cannot_be_read_as_of_now(city: City) -> None:
    """Headline, note, advice, receipt, paper and report each name the moments and claim nothing of now."""
    application = city.application
    service, now = application.services.verification, application.services.clock.now
    licence = await city.issue()
    pdf = (await application.vault.licences.face_pdf(BUREAU, licence.identifier)).pdf
    then = now()
    await city.change(
        licence.identifier, StateChange(LicenceState.REVOKED, ReasonCode.ILLEGAL_ACT, "吊销", "《食品安全法》")
    )
    verified = await service.by_identifier(ANONYMOUS, licence.identifier, known_at=then)
    told = await service.by_receipt(verified.receipt)
    for report in (verified.report, told):
        assert report.verdict is VALID
        answer = report.to_json()
        assert answer["verdict_text"]["zh"].endswith("有效；不说明现在是否有效")
        assert f"{then.astimezone(CIVIL_TIME):%H:%M:%S} 所知" in answer["verdict_text"]["zh"]
        assert f"as known at {then.astimezone(CIVIL_TIME):%Y-%m-%d %H:%M:%S}" in answer["verdict_text"]["en"]
        assert "不说明" in answer["advice"][-1]["zh"]
        assert "核验当时的情况" not in json.dumps(answer, ensure_ascii=False)
    assert told.stated[0].value == told.headline == verified.report.headline
    shown = text_of(await service.receipt_paper(verified.receipt))
    title, _, rest = shown.partition("结论")
    assert "".join(verified.report.headline.zh.split()) in title
    assert "全部核验项目均通过" not in title
    assert "本回执只说明核验当时的情况" not in rest
    assert "不说明出具时或现在是否有效" in rest
    plain = text_of(await service.receipt_paper((await service.by_identifier(ANONYMOUS, licence.identifier)).receipt))
    assert "无效" in plain.partition("结论")[0]
    assert "本回执只说明核验当时的情况" in plain

    xml = etsi_report((await service.by_pdf(ANONYMOUS, pdf, known_at=then)).report).decode()
    assert f"as known at {then:%Y-%m-%dT%H:%M:%S}Z" in xml
    # Our own file, whose bytes are on record, is not valid before it was sealed either.
    whole = await service.by_pdf(ANONYMOUS, pdf, examine=True)
    sealed_at = min(one.sealed_at for one in whole.report.seals if one.sealed_at)
    early = (await service.by_pdf(ANONYMOUS, pdf, at=sealed_at - timedelta(seconds=1))).report
    assert early.verdict is not VALID
    assert "pdf.sealed_by_then" in {check.name for check in early.checks}


async def test_a_pack_knows_nothing_older_than_itself(city: City) -> None:
    application = city.application
    licence = await city.issue()
    before = application.services.clock.now()
    await application.verification.statuses.publish_changes()
    assert application.verification.packs is not None
    pack = read_pack(await application.verification.packs.build())
    now = application.services.clock.now()
    good = judge_code_offline(licence.qr_text, pack, at=now)
    forged = judge_code_offline(licence.qr_text[:-9] + "A" * 9, pack, at=now)
    for known_at, verdict in ((None, VALID), (now, VALID), (before - timedelta(days=1), UNDETERMINED)):
        told = judge_pack_age(good, pack, known_at)
        assert (told.verdict, told.checks[-1].name == "as_of.known") == (verdict, verdict is UNDETERMINED)
    assert told.licence is not None
    assert (told.reason, told.licence.state) == (Reason.NOT_KNOWN_THEN, "")
    assert judge_pack_age(forged, pack, before - timedelta(days=1)).verdict is INVALID


SEAL = SealFacts("S", "seal", "B-T", "局", THEN, "timestamp", Indication.TOTAL_PASSED, "", covers_whole_document=True)
LICENCE = LicenceFacts("1.2", "T", "证", "I", "局", None, None, "valid")
BY_RECORD = Check("licence.state", "", Outcome.PASSED, Sentence("有效", "in force"))
DAY = timedelta(days=1)
LATER, EARLIER = THEN + DAY, THEN - DAY


@pytest.mark.parametrize(
    ("at", "kinds", "held"),
    [
        (None, ("seal",), True),
        (THEN, ("seal",), True),
        (EARLIER, ("seal",), False),
        (THEN, ("seal", "seal"), False),
        (THEN, ("seal", "document_timestamp"), True),
        (LATER, ("seal", "seal"), True),
    ],
    ids=["now", "as sealed", "before", "between two seals", "before it was kept longer", "after both"],
)
def test_a_file_is_not_valid_before_each_of_its_seals(
    at: datetime | None, kinds: tuple[str, ...], *, held: bool
) -> None:
    seals = tuple(replace(SEAL, kind=kind, sealed_at=THEN + DAY * number) for number, kind in enumerate(kinds))
    report = Report(
        VALID, Reason.ALL_CHECKS_PASSED, Subject("pdf"), LATER, LATER, (), Indication.TOTAL_PASSED, seals=seals
    )
    judged = AsOf(at).sealed_by(report)
    if held:
        assert judged == report
        return
    assert (judged.verdict, judged.reason) == (UNDETERMINED, Reason.SEALED_LATER)
    assert judged.indication is judged.seals[-1].indication is Indication.INDETERMINATE
    refused = replace(report, verdict=INVALID, reason=Reason.SEAL_FORGED)
    assert (AsOf(at).sealed_by(refused).verdict, AsOf(at).sealed_by(refused).reason) == (INVALID, Reason.SEAL_FORGED)


@pytest.mark.parametrize(
    ("kind", "recorded", "known_at", "reason", "verdict"),
    [
        ("pdf", True, LATER, Reason.ALL_CHECKS_PASSED, VALID),
        ("pdf", True, EARLIER, Reason.ALL_CHECKS_PASSED, UNDETERMINED),
        ("pdf", True, EARLIER, Reason.LICENCE_PENDING, INVALID),
        ("pdf", True, LATER, Reason.LICENCE_SUSPENDED, INVALID),
        ("pdf", False, LATER, Reason.ALL_CHECKS_PASSED, UNDETERMINED),
        ("pdf", False, LATER, Reason.LICENCE_STATE_NOT_CHECKED, UNDETERMINED),
        ("pdf", False, LATER, Reason.SEAL_FORGED, INVALID),
        ("qr", False, LATER, Reason.LICENCE_NOT_IN_FORCE, UNDETERMINED),
        ("qr", False, LATER, Reason.CODE_FORGED, INVALID),
        ("qr", False, None, Reason.ALL_CHECKS_PASSED, VALID),
        ("receipt", False, LATER, Reason.RECEIPT_GENUINE, VALID),
    ],
)
def test_what_has_no_history_is_never_valid_as_known_then(
    *, kind: str, recorded: bool, known_at: datetime | None, reason: Reason, verdict: Verdict
) -> None:
    good = {Reason.ALL_CHECKS_PASSED, Reason.LICENCE_STATE_NOT_CHECKED, Reason.RECEIPT_GENUINE}
    report = Report(
        verdict=VALID if reason in good else INVALID,
        reason=reason,
        subject=Subject(kind),
        checked_at=LATER,
        data_as_of=LATER,
        checks=(BY_RECORD,) if recorded else (),
        seals=(replace(SEAL, sealed_at=THEN),) if kind == "pdf" else (),
        licence=LICENCE if recorded else None,
    )
    judged = AsOf(known_at=known_at).known_then(report)
    if verdict is VALID and kind == "pdf" and known_at is not None:
        # A second seal, or a timestamp over it, makes another file of it.
        for added in ("seal", "document_timestamp"):
            again = replace(report, seals=(*report.seals, replace(SEAL, kind=added, sealed_at=LATER + DAY)))
            assert AsOf(known_at=known_at).known_then(again).reason is Reason.NOT_KNOWN_THEN
    assert judged.verdict is verdict
    assert judged.reason is (Reason.NOT_KNOWN_THEN if verdict is UNDETERMINED else reason)
    if known_at is not None and kind != "receipt":
        assert judged.checks[-1].name in {"as_of.keys", "as_of.known"}
