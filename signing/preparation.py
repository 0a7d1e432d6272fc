"""Everything between a document handed in and one ready for its signature, as one pure function.

For uploads it runs in a worker process; it takes and returns plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from signing.errors import ActiveContent, HybridCrossReference
from signing.flatten import flatten
from signing.marks import marks_for
from signing.model import ActiveContentPolicy, Attachment, Finding
from signing.pades import prepare
from signing.page_content import HIDDEN_CONTENT, examine_content
from signing.pdf_file import PdfFile
from signing.sanitiser import examine
from signing.signature_field import Prepared  # noqa: TC001 - an answer is read by the types of its fields

if TYPE_CHECKING:
    from datetime import datetime

    from signing.pades import SealFace
    from signing.placement import Placement


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
    names_attachments: bool = False
    """Somebody is told of each attachment before the seal is given; otherwise one is a reason to refuse."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What came of it; `source` is the document the update belongs behind, None for the one handed in."""

    prepared: Prepared
    source: bytes | None = field(repr=False)
    findings: tuple[Finding, ...]
    attachments: tuple[Attachment, ...] = ()


def make_ready(order: Order) -> Ready:
    """Examine, flatten if that is the policy, place and prepare.

    Raises: UnsealablePdf and its subclasses, PdfTooLarge, BadPlacement.
    """
    if order.trusted:
        return Ready(_prepare(order, order.document), None, ())
    try:
        examined = _examine(order)
    except HybridCrossReference:
        if order.active_content is not ActiveContentPolicy.FLATTEN:
            raise
        return _flattened(order, (HYBRID,))
    findings = examined.findings
    if examined.signed:
        from signing.existing_signatures import require_intact  # noqa: PLC0415 - pyHanko takes half a second to load

        require_intact(order.document)
    if not findings:
        return Ready(_prepare(order, order.document), None, (), examined.attachments)
    if order.active_content is not ActiveContentPolicy.FLATTEN or examined.signed:
        raise ActiveContent(findings)
    return _flattened(order, findings)


def _flattened(order: Order, findings: tuple[Finding, ...]) -> Ready:
    """Prepare the document as it is shown; what is still found in that cannot be sealed at all."""
    hidden_on = {finding.page for finding in findings if finding.kind in HIDDEN_CONTENT and finding.page}
    document = flatten(order.document, hidden_on)
    left = _examine(replace(order, document=document))
    if left.findings:
        raise ActiveContent(left.findings)
    return Ready(_prepare(order, document), document, findings, left.attachments)


@dataclass(frozen=True, slots=True)
class _Examined:
    findings: tuple[Finding, ...]
    attachments: tuple[Attachment, ...]
    signed: bool


def _examine(order: Order) -> _Examined:
    with PdfFile(order.document) as file:
        findings, attachments = examine(file)
        signed = bool(file.signature_dictionaries())
        file.require_sound()
        unnamed = () if order.names_attachments else attachments
        found = (*findings, *(_unnamed(each) for each in unnamed), *examine_content(file))
        return _Examined(found, attachments, signed)


def _unnamed(attachment: Attachment) -> Finding:
    what = f"{attachment.name} ({attachment.media_type or 'no type'}, {attachment.size} bytes)"
    return Finding("attachment", None, None, f"{what}; it can be sealed in two steps, which name it first")


def _prepare(order: Order, document: bytes) -> Prepared:
    with PdfFile(document) as file:
        marks = marks_for(file, order.placement)
        return prepare(file, order.face, marks, contents_size=order.contents_size, at=order.at, certify=order.certify)
