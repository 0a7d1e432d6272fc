"""Everything between a document handed in and one ready for its signature, as one pure function.

For uploads it runs in a worker process; it takes and returns plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from signing.errors import ActiveContent, HybridCrossReference
from signing.flatten import flatten
from signing.marks import marks_for
from signing.model import ActiveContentPolicy, Finding
from signing.pades import prepare
from signing.page_content import HIDDEN_CONTENT, examine_content
from signing.pdf_file import PdfFile
from signing.sanitiser import examine

if TYPE_CHECKING:
    from datetime import datetime

    from signing.pades import SealFace
    from signing.placement import Placement
    from signing.signature_field import Prepared


HYBRID = Finding("hybrid cross-reference", None, None, "readers may resolve it differently; written anew")


@dataclass(frozen=True, slots=True)
class Order:
    """What to prepare."""

    document: bytes = field(repr=False)
    face: SealFace
    placement: Placement
    contents_size: int
    at: datetime
    certify: bool
    trusted: bool
    """Rendered by ourselves a moment ago: nothing in it needs to be looked for."""
    active_content: ActiveContentPolicy


@dataclass(frozen=True, slots=True)
class Ready:
    """What came of it; `source` is the document the update belongs behind, None for the one handed in."""

    prepared: Prepared
    source: bytes | None = field(repr=False)
    findings: tuple[Finding, ...]


def make_ready(order: Order) -> Ready:
    """Examine, flatten if that is the policy, place and prepare.

    Raises: UnsealablePdf and its subclasses, PdfTooLarge, BadPlacement.
    """
    if order.trusted:
        return Ready(_prepare(order, order.document), None, ())
    try:
        findings, signed = _examine(order.document)
    except HybridCrossReference:
        if order.active_content is not ActiveContentPolicy.FLATTEN:
            raise
        return _flattened(order, (HYBRID,))
    if signed:
        from signing.existing_signatures import require_intact  # noqa: PLC0415 - pyHanko takes half a second to load

        require_intact(order.document)
    if not findings:
        return Ready(_prepare(order, order.document), None, ())
    if order.active_content is not ActiveContentPolicy.FLATTEN or signed:
        raise ActiveContent(findings)
    return _flattened(order, findings)


def _flattened(order: Order, findings: tuple[Finding, ...]) -> Ready:
    """Prepare the document as it is shown; what is still found in that cannot be sealed at all."""
    hidden_on = {finding.page for finding in findings if finding.kind in HIDDEN_CONTENT and finding.page}
    document = flatten(order.document, hidden_on)
    remaining, _ = _examine(document)
    if remaining:
        raise ActiveContent(remaining)
    return Ready(_prepare(order, document), document, findings)


def _examine(document: bytes) -> tuple[tuple[Finding, ...], bool]:
    """Return what is found in a document, and whether it is signed."""
    with PdfFile(document) as file:
        findings = examine(file)
        signed = bool(file.signature_dictionaries())
        file.require_sound()
        return findings + examine_content(file), signed


def _prepare(order: Order, document: bytes) -> Prepared:
    with PdfFile(document) as file:
        marks = marks_for(file, order.placement)
        return prepare(file, order.face, marks, contents_size=order.contents_size, at=order.at, certify=order.certify)
