"""Receipts on paper: `verification.ports.ReceiptPapers` joined to the renderer of faces and the form of seals.

The text is set by Typst in the closed processes that set licences, with the signed receipt
attached; the seal is PAdES B-T (B-B while the timestamp authority is away) by the service's receipt key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from foundation.errors import ServiceUnavailable
from signing.cms import SealCms
from signing.pades import SealFace, prepare
from signing.pdf_file import PdfFile
from signing.signature_field import finish

if TYPE_CHECKING:
    from foundation.clock import Clock
    from keys.receipt_seal import ReceiptSeal
    from keys.tsa import TimestampAuthority
    from licence_vault.rendering import FaceRenderer
    from verification.receipt_papers import ReceiptPaper

NAME = "Hufu Verification Receipts"
TOKEN_ROOM = 6_000
TEMPLATE = """
#let paper = json(bytes(sys.inputs.licence))
#set text(font: paper.fonts, lang: "zh", region: "cn", size: 11pt)
#set page(paper: "a4", margin: 25mm)
#set document(title: paper.title, date: datetime(year: paper.day.at(0), month: paper.day.at(1), day: paper.day.at(2)))
#pdf.attach(
  paper.file,
  bytes(paper.receipt),
  relationship: "data",
  mime-type: "application/jose",
  description: "RFC 7515",
)
#align(center, text(size: 20pt, paper.title))
#v(4mm)
#align(center, text(size: 16pt, paper.verdict))
#v(6mm)
#table(
  columns: (35%, 65%),
  stroke: 0.4pt + rgb("#c9c1b3"),
  inset: 7pt,
  ..paper.lines.map(line => (text(fill: rgb("#5b6675"), line.at(0)), line.at(1))).flatten(),
)
#v(6mm)
#text(size: 9pt, fill: rgb("#5b6675"), paper.note)
"""


class SealedReceiptPapers:
    """Sets, attaches and seals; stores nothing."""

    def __init__(self, renderer: FaceRenderer, seal: ReceiptSeal, timestamps: TimestampAuthority, clock: Clock) -> None:
        """Take the renderer, the receipt key, who stamps, and the clock."""
        self._renderer = renderer
        self._seal = seal
        self._timestamps = timestamps
        self._clock = clock

    async def _stamp(self, signature: bytes) -> bytes | None:
        try:
            return await self._timestamps.timestamp(hashlib.sha256(signature).digest())
        except ServiceUnavailable:
            return None

    async def make(self, paper: ReceiptPaper) -> bytes:
        """Return the sealed document; raises RenderingFailed, ServiceUnavailable."""
        now = self._clock.now()
        values = {
            "title": paper.title,
            "verdict": paper.verdict,
            "lines": [list(line) for line in paper.lines],
            "note": paper.note,
            "file": paper.file_name,
            "receipt": paper.receipt,
            "day": [now.year, now.month, now.day],
        }
        rendition = await self._renderer.render(TEMPLATE, values, dated=now.date())
        info = await self._seal.key()
        cms = SealCms(info.algorithm, info.certificate_chain_der)
        with PdfFile(rendition.pdf) as file:
            room = cms.size_with(TOKEN_ROOM)
            prepared = prepare(file, SealFace(NAME, b""), (), contents_size=room, at=now)
        digest = prepared.signed_bytes_digest
        signature = self._seal.sign_digest(cms.to_be_signed_digest(digest))
        token = await self._stamp(signature)
        if token is not None and len(token) > TOKEN_ROOM:
            token = None
        return finish(rendition.pdf, prepared, cms.signed_data(digest, signature, token))
