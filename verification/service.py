"""Use cases of verification: each returns a report and a signed receipt for it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent, CommittedAudit
from foundation.errors import InvalidInput, NotFound
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from verification.as_of import NOW, AsOf
from verification.codes import judge_code, judge_link
from verification.errors import NoCodeFound
from verification.identifier import Parts, read_identifier
from verification.licences import compare_holder, comparison_check, facts_of, judge_state, verdict_of
from verification.model import Check, Outcome, Reason, Report, Sentence, Subject, Verdict
from verification.own_documents import COPY_TERM, judge_known_document
from verification.pdf.attachment import attached_to
from verification.receipt_papers import judge_receipt_paper, paper_of
from verification.receipts import (
    TYPE,
    Asker,
    ReceiptRefused,
    read_receipt,
    receipt_claims,
    report_on_receipt,
    report_on_refused,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from keys.jws import TokenSigner
    from verification.cities import Cities
    from verification.guesses import Guesses
    from verification.log.past_seals import PastSeals
    from verification.log.service import TransparencyLog
    from verification.pages import Previews
    from verification.ports import LicenceRecords, LicenceStanding, ReceiptPapers
    from verification.record_comparison import RecordComparison
    from verification.sandbox import Sandbox
    from verification.trust import TrustSource


TERMS_KEPT = 10_000
REVOKED = frozenset({"REVOKED_NO_POE", "REVOKED_CA_NO_POE"})


@dataclass(frozen=True, slots=True)
class Verified:
    """A report, and the compact JWS receipt that lets anybody check it later."""

    report: Report
    receipt: str
    receipt_id: str
    previews: Previews | None = None


class VerificationService:
    """Every verdict. Each method writes one audit row and commits before it answers."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        audit: Audit,
        guesses: Guesses,
        licences: LicenceRecords,
        comparison: RecordComparison,
        trust: TrustSource,
        receipts: TokenSigner,
        sandbox: Sandbox,
        issuer: str,
        verify_page: str,
        cities: Cities | None = None,
        log: TransparencyLog | None = None,
        papers: ReceiptPapers | None = None,
        past: PastSeals | None = None,
    ) -> None:
        """Take the collaborators; nothing is opened."""
        self._database = database
        self._clock = clock
        self._audit = CommittedAudit(database, audit)
        self._guesses = guesses
        self._licences = licences
        self._comparison = comparison
        self._trust = trust
        self._receipts = receipts
        self._sandbox = sandbox
        self._issuer = issuer
        self._verify_page = verify_page
        self._cities = cities
        self._log = log
        self._papers = papers
        self._past = past
        self._terms: dict[bytes, Mapping[str, str]] = {}

    async def by_identifier(
        self,
        principal: Principal,
        unverified_identifier: str,
        *,
        compare: Mapping[str, str] | None = None,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Verified:
        """Judge a licence by its GB/T 36904 identifier as typed.

        Args:
            principal: who asks; `foundation.principal.ANONYMOUS` on the public page.
            unverified_identifier: as typed; a malformed one is INVALID with the broken rule.
            compare: `holder_name` and `holder_code` as the asker has them; only "same" or "differs"
                comes back, never the value.
            at: as of this moment; now when None.
            known_at: as the records knew it then; now when None.
        """
        now, as_of = self._clock.now(), AsOf(at, known_at)
        as_of.require_past(now)
        reading = read_identifier(unverified_identifier)
        if compare and reading.parts is not None and principal.kind is PrincipalKind.ANONYMOUS:
            await self._guesses.count(reading.parts.text, compare)
        if reading.parts is None:
            checks = tuple(Check("identifier.form", "GB/T 36904", Outcome.FAILED, item) for item in reading.problems)
            report = _plain(Verdict.INVALID, Reason.IDENTIFIER_MALFORMED, Subject("identifier"), now, checks)
            return await self.conclude(principal, as_of.named(report, now))
        form = Check("identifier.form", "GB/T 36904; ISO/IEC 7064", Outcome.PASSED, _WELL_FORMED)
        repairs = tuple(
            Check("identifier.repair", "GB/T 36904", Outcome.NOT_APPLICABLE, item) for item in reading.repairs
        )
        record = await self._standing(reading.parts.text, as_of)
        if record is None:
            report = await self._unknown(reading.parts, now, (form, *repairs))
        else:
            report = _by_record(record, compare or {}, at or now, now, (form, *repairs))
        return await self.conclude(principal, as_of.named(report, now))

    async def _standing(self, identifier: str, as_of: AsOf) -> LicenceStanding | None:
        """Return a licence now, by one read for all who ask at the moment, or as of another moment."""
        if as_of == NOW:
            return await self._licences.current(identifier)
        return await self._comparison.find(identifier, as_of)

    async def _unknown(self, parts: Parts, now: datetime, checks: tuple[Check, ...]) -> Report:
        """Say that there is no such licence, or that it is not for us to say."""
        subject = Subject("identifier", identifier=parts.text)
        if not await self._comparison.is_ours(parts):
            reason = Reason.LICENCE_OF_ANOTHER_CITY
            found = Check("licence.record", "GB/T 36904", Outcome.UNKNOWN, reason.sentence)
            return _plain(Verdict.UNDETERMINED, reason, subject, now, (*checks, found))
        found = Check("licence.record", "GB/T 36904", Outcome.FAILED, Reason.LICENCE_UNKNOWN.sentence)
        return _plain(Verdict.INVALID, Reason.LICENCE_UNKNOWN, subject, now, (*checks, found))

    async def by_qr(
        self,
        principal: Principal,
        unverified_text: str,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Verified:
        """Judge an HF1 code by its text (the whole link or from `HF1` on), online; moments as by identifier."""
        now, as_of = self._clock.now(), AsOf(at, known_at)
        as_of.require_past(now)
        find = partial(self._standing, as_of=as_of)
        report = None if self._cities is None else await self._cities.judge_code(unverified_text, at=at or now)
        if report is None:
            report = await judge_code(unverified_text, self._trust.code_keys(), find, at=at or now, now=now)
            report = judge_link(report, unverified_text, (self._verify_page,))
        return await self.conclude(principal, as_of.named(as_of.known_then(report), now))

    async def by_picture(
        self, principal: Principal, picture: bytes, *, at: datetime | None = None, known_at: datetime | None = None
    ) -> Verified:
        """Judge the HF1 code in a PNG or JPEG picture.

        Raises: NoCodeFound, DocumentOverLimit, SandboxUnavailable.
        """
        text = await self._sandbox.code_in_picture(picture)
        if text is None:
            raise NoCodeFound("There is no code of a licence in the picture.", field="document")
        return await self.by_qr(principal, text, at=at, known_at=known_at)

    async def by_pdf(
        self,
        principal: Principal,
        document: bytes,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
        examine: bool = False,
        previews: bool = False,
    ) -> Verified:
        """Judge a PDF, ours or a stranger's.

        A document whose digest is on record needs no parsing: its bytes are the ones we
        sealed. Any other is examined in the sandbox; when it claims to be a licence of
        ours it is compared with the record and with a fresh rendering of it as well.

        Args:
            principal: who asks.
            document: the whole file.
            at: as of this moment; now when None. With either moment the file is examined even when it is on record:
                when it was sealed counts.
            known_at: as the licence's record knew it then; not valid by what nobody recorded.
            examine: judge the seals also of a document that is on record, for a report that shows them.
            previews: draw what the last seal covers and what came after.

        Raises: NotAPdf, DocumentEncrypted, NoSealFound, DocumentOverLimit, SandboxUnavailable, InvalidInput.
        """
        now, as_of = self._clock.now(), AsOf(at, known_at)
        as_of.require_past(now)
        sha256 = hashlib.sha256(document).digest()
        known = await self._licences.find_document(sha256)
        record = None if known is None else await self._standing(known, as_of)
        if record is not None and not examine and as_of == NOW:
            # Byte for byte our own, so it is read here: nothing in it is a stranger's.
            term = await self._term_of(document, sha256)
            report = judge_known_document(record, sha256, term, at=at or now, now=now)
        else:
            judged = as_of.sealed_by(await self._examined(document, at or now))
            judged = judge_receipt_paper(judged, await self._trust.receipt_keys())
            report = as_of.known_then(await self._comparison.compare(judged, as_of, None if record else document))
        verified = await self.conclude(principal, as_of.named(report, now))
        return replace(verified, previews=await self._previews(document, report) if previews else None)

    async def _examined(self, document: bytes, at: datetime) -> Report:
        """Judge a document's seals; those under a revoked certificate once more by when the log first held them."""
        material = await self._trust.material()
        judged = await self._sandbox.validate(document, material, at=at)
        if self._past is None or not any(facts.sub_indication in REVOKED for facts in judged.seals):
            return judged
        existed = await self._past.existed(document)
        return await self._sandbox.validate(document, replace(material, existed=existed), at=at) if existed else judged

    async def _term_of(self, document: bytes, sha256: bytes) -> Mapping[str, str]:
        """Return the term of a purpose-bound copy of ours, read once: the same digest has the same term."""
        found = self._terms.get(sha256)
        if found is None:
            attached = await asyncio.to_thread(attached_to, document) or {}
            found = {name: text for name, text in attached.items() if name == COPY_TERM}
            if len(self._terms) >= TERMS_KEPT:
                self._terms.pop(next(iter(self._terms)))
            self._terms[sha256] = found
        return found

    async def _previews(self, document: bytes, report: Report) -> Previews | None:
        """Draw the revision the last sound seal covers beside the file; nothing is kept of it."""
        if not report.seals:
            covered = len(document) if report.verdict is Verdict.VALID else 0
        else:
            pairs = zip(report.seals, report.evidence, strict=False)
            covered = max((item.covered_to for facts, item in pairs if facts.kind == "seal"), default=0)
        return await self._sandbox.previews(document, covered_to=covered)

    async def by_receipt(self, unverified_receipt: str) -> Report:
        """Check a receipt of ours or of a trusted city; the report repeats what the receipt says when it is genuine."""
        now = self._clock.now()
        try:
            return report_on_receipt(read_receipt(unverified_receipt, await self._trust.receipt_keys()), now)
        except ReceiptRefused as refused:
            return report_on_refused(refused, now)

    async def receipt_paper(self, unverified_receipt: str) -> bytes:
        """Return one of our receipts as a sealed PDF, the signed text attached.

        Raises: InvalidInput for what is no receipt of ours, NotFound where no papers are made, ServiceUnavailable.
        """
        if self._papers is None:
            raise NotFound("This service sets no receipts as documents.")
        text = "".join(unverified_receipt.split())
        try:
            receipt = read_receipt(text, self._trust.own_receipt_keys())
        except ReceiptRefused as error:
            raise InvalidInput("This is no receipt of this service.", field="receipt") from error
        return await self._papers.make(paper_of(receipt, text))

    async def conclude(self, principal: Principal, report: Report) -> Verified:
        """Record the verdict, durably, then sign the receipt that quotes the record."""
        subject = report.subject
        asked = {"judged_at": report.judged_at, "known_at": report.known_at}
        moments = {name: moment.isoformat() for name, moment in asked.items() if moment is not None}
        event = AuditEvent(
            "verification.judge",
            subject.kind,
            subject.identifier or subject.sha256_hex or "unreadable",
            {"verdict": report.verdict.value, "reason": report.reason.value, "sha256": subject.sha256_hex, **moments},
        )
        audit = await self._audit.record(principal, event)
        receipt_id = new_id("rcp")
        claims = receipt_claims(
            report,
            Asker.of(principal),
            receipt_id=receipt_id,
            issuer=self._issuer,
            audit=audit,
            checkpoint=None if self._log is None else await self._log.latest_tree(),
        )
        return Verified(report, self._receipts.sign(claims, typ=TYPE), receipt_id)


_WELL_FORMED = Sentence("标识格式和校验位正确。", "Format and check character of the identifier are right.")


def _by_record(
    record: LicenceStanding, compare: Mapping[str, str], at: datetime, now: datetime, checks: tuple[Check, ...]
) -> Report:
    reason, made = judge_state(record, at)
    comparisons = compare_holder(record, compare)
    if comparisons:
        made = (*made, comparison_check(comparisons))
        if reason is Reason.ALL_CHECKS_PASSED and not all(item.same for item in comparisons):
            reason = Reason.HOLDER_DIFFERS
    return Report(
        verdict=verdict_of(reason),
        reason=reason,
        subject=Subject("identifier", identifier=record.identifier),
        checked_at=now,
        data_as_of=now,
        checks=(*checks, *made),
        licence=facts_of(record),
        comparisons=comparisons,
    )


def _plain(verdict: Verdict, reason: Reason, subject: Subject, now: datetime, checks: tuple[Check, ...]) -> Report:
    return Report(verdict=verdict, reason=reason, subject=subject, checked_at=now, data_as_of=now, checks=checks)
