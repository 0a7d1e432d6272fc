"""Was it valid at a moment, as known at a moment: every way in gives the same answer and names both moments."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from foundation.errors import InvalidInput
from foundation.principal import ANONYMOUS
from licence_vault.model import LicenceState, ReasonCode, StateChange
from tests.verification.city import BUREAU, City, small_city
from verification.as_of import AsOf
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
LATER, EARLIER = THEN + timedelta(days=1), THEN - timedelta(days=1)


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
    assert judged.verdict is verdict
    assert judged.reason is (Reason.NOT_KNOWN_THEN if verdict is UNDETERMINED else reason)
    if known_at is not None and kind != "receipt":
        assert judged.checks[-1].name in {"as_of.keys", "as_of.known"}
