"""Seals, intentions and sealed documents as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from signing.placement import Invisible

if TYPE_CHECKING:
    from datetime import datetime

    from signing.placement import Placement


class SealKind(StrEnum):
    """What a seal stands for (《电子印章管理办法》)."""

    STATUTORY = "statutory"
    """法定名称章"""
    INTERNAL = "internal"
    """内设机构章"""
    BRANCH = "branch"
    """分支机构章"""
    BUSINESS = "business"
    """业务专用章"""
    PERSONAL = "personal"
    """个人名章"""


class SealState(StrEnum):
    """Where a seal stands in its life."""

    APPLIED = "applied"
    REJECTED = "rejected"
    APPROVED = "approved"
    MADE = "made"
    FILED = "filed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


class BaselineLevel(StrEnum):
    """PAdES baseline levels (ETSI EN 319 142-1)."""

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"
    B_LTA = "B-LTA"

    @property
    def timestamped(self) -> bool:
        """Tell whether the level asks for a timestamp."""
        return self is not BaselineLevel.B_B


class IntentionState(StrEnum):
    """Where a sealing stands; the key signs for `intended` only."""

    PREPARED = "prepared"
    INTENDED = "intended"
    COMPLETED = "completed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class ActiveContentPolicy(StrEnum):
    """What to do with content that could change a sealed document's meaning."""

    REFUSE = "refuse"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the sanitiser met: what, on which page, in which object."""

    kind: str
    page: int | None
    object_number: int | None
    detail: str

    def __str__(self) -> str:
        """Return one readable line."""
        where = "the document" if self.page is None else f"page {self.page}"
        number = "" if self.object_number is None else f", object {self.object_number}"
        return f"{self.kind} in {where}{number}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file within the document, sealed with it: its names as readers may show them, the type it claims, its size."""

    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal without its pictures."""

    seal_id: str
    organisation_code: str
    organisation_name: str
    kind: SealKind
    name: str
    """What the seal is called, such as 演示市食品药品监督管理局行政审批专用章."""
    lower_text: str
    """The line beneath the star, such as 行政审批专用章; empty for a statutory seal."""
    state: SealState
    algorithm: str
    applied_by: str
    applied_at: datetime
    approved_by: str | None = None
    key_id: str | None = None
    filing_number: str | None = None
    replaces: str | None = None
    reason: str | None = None
    use_count: int = 0


@dataclass(frozen=True, slots=True)
class SealApplication:
    """What somebody asks for."""

    organisation_code: str
    kind: SealKind
    lower_text: str = ""
    algorithm: str = "ecdsa-p256-sha256"
    replaces: str | None = None
    holder_name: str | None = None
    """The person's name on a 个人名章; None for every other kind."""


@dataclass(frozen=True, slots=True)
class SealImage:
    """A seal's picture: drawing operators for PDF on a unit square, and a PNG for pages."""

    form: bytes
    png: bytes


@dataclass(frozen=True, slots=True)
class Grant:
    """An officer may use a seal for these matters in this period; no matters named means all."""

    grant_id: str
    seal_id: str
    officer_id: str
    matter_codes: frozenset[str]
    valid_from: datetime
    valid_to: datetime
    granted_by: str = ""
    approved_at: datetime | None = None
    """When somebody else approved it; it holds from then on."""
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What an officer presents: `method` is `totp` or `passkey`, `response` the code or the assertion's JSON."""

    method: str
    response: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Appearance:
    """What the picture shows besides the seal; each off by default."""

    show_name: bool = False
    show_time: bool = False
    qr_text: str | None = None


@dataclass(frozen=True, slots=True)
class SealRequest:
    """One document to seal."""

    seal_id: str
    document: bytes = field(repr=False)
    placement: Placement = field(default_factory=Invisible)
    matter_code: str | None = None
    level: BaselineLevel = BaselineLevel.B_T
    second_factor: SecondFactor | None = None
    appearance: Appearance = field(default_factory=Appearance)
    certify: bool = False
    """Make it the document's certification, DocMDP level 2."""
    active_content: ActiveContentPolicy = ActiveContentPolicy.REFUSE
    face: str = ""
    """What rendered a licence: the same text for the same template, engine and fonts. Empty for uploads."""


@dataclass(frozen=True, slots=True)
class DigestRequest:
    """A digest to seal for a caller that keeps its document."""

    seal_id: str
    signed_bytes_digest: bytes
    """SHA-256 over the byte range of the caller's prepared PDF, or over whatever else a detached CMS shall cover."""
    matter_code: str | None = None
    level: BaselineLevel = BaselineLevel.B_T


@dataclass(frozen=True, slots=True)
class DigestSeal:
    """A detached CMS for the caller to put into its document."""

    intention_id: str
    use_number: int
    cms_der: bytes = field(repr=False)
    level: BaselineLevel
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class PreparedSealing:
    """A sealing that waits for its officer's confirmation."""

    intention_id: str
    challenge: bytes
    """SHA-256 of the intention (digest, seal, place, matter); what a passkey signs."""
    document_digest: bytes
    """SHA-256 of the document as it was handed in."""
    signed_bytes_digest: bytes
    """SHA-256 over the byte range of the prepared document: exactly what the seal will cover."""
    preview: bytes = field(repr=False)
    """The document as it will be shown, with the seal's picture and no signature yet."""
    pages: tuple[int, ...]
    """The pages that carry a picture."""
    findings: tuple[Finding, ...]
    """What the sanitiser flattened."""
    attachments: tuple[Attachment, ...]
    """Files within the document, which the seal covers too."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PreparedState:
    """Where a prepared sealing stands; `document_id` once it is sealed."""

    intention_id: str
    state: IntentionState
    document_digest: bytes
    expires_at: datetime
    document_id: str | None


@dataclass(frozen=True, slots=True)
class SealedDocument:
    """A document that left with its seal."""

    document_id: str
    intention_id: str
    seal_id: str
    use_number: int
    """The number in the seal's register of use, without gaps."""
    document: bytes = field(repr=False)
    sha256: bytes
    blob_ref: str
    level: BaselineLevel
    """What was reached; lower than asked for while the timestamp server is down, with an upgrade queued."""
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class SealUse:
    """One line of a seal's register of use."""

    use_number: int
    seal_id: str
    used_by: str
    used_at: datetime
    document_digest: bytes
    sealed_digest: bytes
    matter_code: str | None
    level: BaselineLevel
    second_factor_method: str | None
