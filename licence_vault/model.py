"""Licences as values: holders, states, requests, answers; pure rules, time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime


class LicenceState(StrEnum):
    """The ten states of a licence (GB/T 36901 and the practice of issuing authorities)."""

    PENDING = "pending"
    VALID = "valid"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    TRANSFERRED = "transferred"
    ERRONEOUS = "erroneous"

    @property
    def label(self) -> str:
        """Return the Chinese word."""
        return _STATE_LABELS[self]


_STATE_LABELS = {
    LicenceState.PENDING: "待签发",
    LicenceState.VALID: "有效",
    LicenceState.SUSPENDED: "暂扣",
    LicenceState.EXPIRED: "过期",
    LicenceState.SUPERSEDED: "变更被替代",
    LicenceState.CANCELLED: "注销",
    LicenceState.WITHDRAWN: "撤销",
    LicenceState.REVOKED: "吊销",
    LicenceState.TRANSFERRED: "转出",
    LicenceState.ERRONEOUS: "签发错误",
}


class ReasonCode(StrEnum):
    """Why a state changed; the text beside it says it in words."""

    ISSUED = "issued"
    HOLDER_REQUEST = "holder_request"
    HOLDER_ENDED = "holder_ended"
    OBTAINED_BY_FRAUD = "obtained_by_fraud"
    ILLEGAL_ACT = "illegal_act"
    INVESTIGATION = "investigation"
    RECTIFIED = "rectified"
    CONDITIONS_LOST = "conditions_lost"
    ISSUER_ERROR = "issuer_error"
    COURT_ORDER = "court_order"
    MOVED_AWAY = "moved_away"
    CHANGED = "changed"
    EXTENDED = "extended"
    CORRECTED = "corrected"
    OTHER = "other"


class HolderKind(StrEnum):
    """Whom a type is issued to."""

    PERSON = "person"
    ORGANISATION = "organisation"
    ANY = "any"


class RevisionKind(StrEnum):
    """What makes a new version: it names the old one, which becomes superseded."""

    CHANGE = "change"
    EXTENSION = "extension"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class Holder:
    """One holder (持证主体): name, annex-A code type such as `111`, code in its normal form."""

    name: str
    code_type: str
    code: str


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """What an authority asks to have issued; nothing in it has been checked yet.

    Attributes:
        type_code: 21 characters; the published version of the type is used.
        issuer_code: credit code of the issuing authority; must be the caller's own organisation.
        licence_number: the number printed on the licence (证照编号, ZZBH); made from the serial when empty.
        valid_to: last day of validity, inclusive; None when the licence is long-term.
        issued_on: date of issue on the face; today in China when None.
        idempotency_key: 1 to 100 characters; the same key and issuer give the same licence.
        seal_id: the seal to apply; the issuer's own active legal-name seal when None.
    """

    type_code: str
    issuer_code: str
    holders: tuple[Holder, ...]
    face: Mapping[str, Any]
    valid_from: date
    idempotency_key: str
    valid_to: date | None = None
    issued_on: date | None = None
    licence_number: str = ""
    seal_id: str | None = None
    matter_code: str | None = None
    case_number: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """A new version of a licence: what is None stays as it was.

    An extension gives a new last day and changes nothing else; a change or correction
    gives holders, face or number. `reason_text` and `legal_basis` go on the old version's record.
    """

    kind: RevisionKind
    reason_text: str
    idempotency_key: str
    legal_basis: str = ""
    holders: tuple[Holder, ...] | None = None
    face: Mapping[str, Any] | None = None
    licence_number: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    issued_on: date | None = None
    seal_id: str | None = None
    matter_code: str | None = None
    case_number: str = ""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A change of state to record: `effective_at` is valid time; recorded time is the clock's."""

    state: LicenceState
    reason_code: ReasonCode
    reason_text: str
    legal_basis: str = ""
    effective_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One recorded statement about a licence's state, in the order `sequence` it was made."""

    sequence: int
    state: LicenceState
    effective_at: datetime
    recorded_at: datetime
    reason_code: ReasonCode
    reason_text: str
    legal_basis: str
    recorded_by: str


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a licence is read: matter, case number at the reader, and a sentence for the holder.

    `operator` is the staff number of whoever reads through a department's system; a client that
    reads another department's licence must name it.
    """

    matter_code: str | None = None
    case_number: str = ""
    reason: str = ""
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Mandated:
    """What is about to be done under a mandate; without fields, whatever the mandate allows."""

    matter_code: str
    type_code: str
    fields: tuple[str, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Giver:
    """Who gave a mandate, by the indexes licences know them by, and the fields it opens (None: all)."""

    holder_indexes: tuple[bytes, ...]
    fields: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class PaperMandate:
    """A 代办码 on paper and the document of the agent who shows it; unverified input."""

    code: str = field(repr=False)
    agent_name: str = field(repr=False)
    document_number: str = field(repr=False)
    document_type: str = "id_card"


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence as its holder or an entitled department sees it.

    `state` is the state at the time of reading; `document_digest` is SHA-256 (hex) of the
    sealed PDF. `status_list` and `status_index` place it in the published status lists.
    `masked` says that fields were left out by the sharing list.
    """

    licence_id: str
    identifier: str
    type_code: str
    type_name: str
    type_version: int
    licence_number: str
    holders: tuple[Holder, ...]
    face: Mapping[str, Any]
    issuer_code: str
    issuer_name: str
    issued_on: date
    valid_from: date
    valid_to: date | None
    version: int
    state: LicenceState
    reason: str
    status_list: int
    status_index: int
    qr_text: str
    document_id: str
    document_digest: str
    registered_at: datetime
    previous_identifier: str | None = None
    access_id: str | None = None
    masked: bool = False


@dataclass(frozen=True, slots=True)
class LicenceDocument:
    """The sealed PDF of a licence and the receipt of its reading."""

    identifier: str
    pdf: bytes
    digest: str
    access_id: str


@dataclass(frozen=True, slots=True)
class AccessReceipt:
    """Who looked at a licence, when, how and why; shown to its holder."""

    access_id: str
    identifier: str
    type_name: str
    accessed_at: datetime
    reader: str
    reader_name: str
    way: str
    matter_code: str | None
    case_number: str
    reason: str
    fields: tuple[str, ...] = field(default=())
    operator: str = ""
    mandate_id: str | None = None
