"""A judged PDF beside the records: what it says of a licence of ours must be what was issued."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from foundation.gathering import Gathering
from verification.codes import judge_code
from verification.identifier import Parts, read_identifier
from verification.model import Check, Outcome, Reason, Verdict
from verification.offline import judge_document_by_code
from verification.own_documents import (
    genuine_code,
    is_copy,
    judge_rendering,
    judge_sealer,
    judge_with_record,
    without_state,
)
from verification.pages import PageDifference
from verification.shown_licences import drawn_licences, judge_shown, strange_licences

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from foundation.database import Database
    from foundation.directory import Directory
    from verification.as_of import AsOf
    from verification.cities import Cities
    from verification.model import Report
    from verification.ports import FreshFaces, LicenceRecord, LicenceRecords
    from verification.sandbox import Sandbox
    from verification.trust import VerificationKey

FACES_COMPARED = 5
"""Of the licences on record that a paper names; each is rendered for it."""


class RecordComparison:
    """Compares documents that carry licence data with the licence they name."""

    def __init__(
        self,
        database: Database,
        directory: Directory,
        licences: LicenceRecords,
        sandbox: Sandbox,
        codes: Callable[[], tuple[VerificationKey, ...]],
        *,
        cities: Cities | None = None,
        faces: FreshFaces | None = None,
    ) -> None:
        """Take the collaborators; nothing is opened."""
        self._database = database
        self._directory = directory
        self._held: Gathering[str, bool] = Gathering(self._which_are_held)
        self._licences = licences
        self._sandbox = sandbox
        self._codes = codes
        self._cities = cities
        self._faces = faces

    async def compare(self, report: Report, as_of: AsOf, document: bytes | None) -> Report:
        """Add to a report what the records say of the document.

        `document` is None when its bytes are on record, so that its face needs no comparing.
        Raises: DocumentOverLimit, SandboxUnavailable.
        """
        if report.attached is None:
            return await self._with_shown(report, as_of, document)
        parts = read_identifier(report.attached.get("ZZBS", "")).parts
        if parts is None:
            return without_state(report)
        moment = as_of.at or report.checked_at
        record = await self.find(parts.text, as_of)
        if record is not None:
            if document is not None:
                report = judge_sealer(report, record.issuer_code)
            judged = judge_with_record(report, record, at=moment)
            return judged if document is None else await self._with_rendering(judged, parts.text, document)
        if self._cities is not None and report.code_text is not None:
            by_code = await self._cities.judge_code(report.code_text, at=moment)
            if by_code is not None:
                return judge_document_by_code(report, by_code)
        if await self.is_ours(parts) and report.verdict is Verdict.VALID:
            missing = Check("licence.record", "GB/T 36904", Outcome.FAILED, Reason.LICENCE_UNKNOWN.sentence)
            return replace(
                report, verdict=Verdict.INVALID, reason=Reason.LICENCE_UNKNOWN, checks=(*report.checks, missing)
            )
        return without_state(report)

    async def _with_shown(self, report: Report, as_of: AsOf, document: bytes | None) -> Report:
        """Ask whether the seal on a paper vouches for the licence that the paper shows or names."""
        moment = as_of.at or report.checked_at
        find = partial(self.find, as_of=as_of)
        codes = {}
        for text in drawn_licences(report):
            code = None if self._cities is None else await self._cities.judge_code(text, at=moment)
            codes[text] = code or await judge_code(text, self._codes(), find, at=moment, now=moment)
        judged = judge_shown(report, codes=codes)
        if document is None or self._faces is None or judged.verdict is not Verdict.VALID:
            return judged
        faces = [parts for parts in await self._on_record(report) if await self._is_face(parts, document, self._faces)]
        return judge_shown(report, codes=codes, faces=faces) if faces else judged

    async def find(self, identifier: str, as_of: AsOf) -> LicenceRecord | None:
        """Return a licence on record as it stood."""
        async with self._database.read() as connection:
            return await self._licences.find(connection, identifier, at=as_of.at, known_at=as_of.known_at)

    async def _on_record(self, report: Report) -> list[Parts]:
        """Return the licences of ours that a paper names and its sealer did not issue, the first few."""
        named = strange_licences(report)
        found = await asyncio.gather(*(self._licences.current(parts.text) for parts in named))
        return [parts for parts, standing in zip(named, found, strict=True) if standing is not None][:FACES_COMPARED]

    async def _is_face(self, parts: Parts, document: bytes, faces: FreshFaces) -> bool:
        """Tell whether a paper's pages are the face of a licence of ours, whatever was altered on it."""
        async with self._database.read() as connection:
            face = await faces.of(connection, parts.text)
        return face is not None and await self._sandbox.shows_face(document, face.pdf)

    async def is_ours(self, parts: Parts) -> bool:
        """Tell whether an identifier names an issuer whose records are held here."""
        return await self._held(parts.issuer_code)

    async def _which_are_held(self, codes: Sequence[str]) -> list[bool]:
        known = await self._directory.known(codes)
        return [code in known for code in codes]

    async def _with_rendering(self, report: Report, identifier: str, document: bytes) -> Report:
        """Compare a document with a fresh rendering of the licence it claims to be."""
        if self._faces is None:
            return report
        code_text = ""
        if is_copy(report):
            code_text = genuine_code(report, identifier, self._codes())
            if not code_text:
                return judge_rendering(report, (PageDifference(1, "code"),))
        async with self._database.read() as connection:
            if code_text:
                face = await self._faces.of_copy(connection, identifier, report.attached or {}, code_text=code_text)
            else:
                face = await self._faces.of(connection, identifier)
        if face is None:
            return judge_rendering(report, None)
        return judge_rendering(report, await self._sandbox.compare(document, face.pdf, exactly=face.exact))
