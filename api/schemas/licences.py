"""Licences and types as JSON."""

from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from api.schemas.common import Answer, CreditCode, Id, Line, MatterCode, Moment, Schema, Short
from licence_vault.model import (
    Holder,
    IssueRequest,
    LicenceState,
    Purpose,
    ReasonCode,
    Revision,
    RevisionKind,
    StateChange,
)

JWT = "application/jwt"
TYPE_CODE_LENGTH = 21
EXAMPLE_TYPE = "11100000000013338W011"


class HolderSchema(Schema):
    """One holder 持证主体."""

    name: Short
    code_type: Annotated[str, Field(pattern=r"^[0-9]{3}$", description="Annex A: 001 credit code, 111 ID number, …")]
    code: Annotated[str, Field(min_length=1, max_length=40)]


class IssueLicence(Schema):
    """What an authority asks to have issued."""

    type_code: Annotated[str, Field(min_length=TYPE_CODE_LENGTH, max_length=TYPE_CODE_LENGTH)]
    issuer_code: CreditCode
    holders: Annotated[list[HolderSchema], Field(min_length=1, max_length=50)]
    face: Annotated[dict[str, Any], Field(max_length=100, description="Face data by the type's JSON Schema.")]
    valid_from: date
    valid_to: Annotated[date | None, Field(description="Last day, inclusive; null when long-term.")] = None
    issued_on: date | None = None
    licence_number: Annotated[str, Field(max_length=60)] = ""
    seal_id: Id | None = None
    matter_code: MatterCode | None = None
    case_number: Annotated[str, Field(max_length=60)] = ""

    def to_request(self, idempotency_key: str) -> IssueRequest:
        """Return the use case's own request."""
        values = self.model_dump(exclude={"holders"})
        holders = tuple(Holder(holder.name, holder.code_type, holder.code) for holder in self.holders)
        return IssueRequest(**values, holders=holders, idempotency_key=idempotency_key)


class ReviseLicence(Schema):
    """A new version of a licence: what is left out stays as it was."""

    kind: Annotated[RevisionKind, Field(description="change 变更, extension 延续 or correction 更正.")]
    reason_text: Annotated[str, Field(min_length=1, max_length=500)]
    legal_basis: Line = ""
    holders: Annotated[list[HolderSchema] | None, Field(min_length=1, max_length=50)] = None
    face: Annotated[dict[str, Any] | None, Field(max_length=100)] = None
    licence_number: Annotated[str | None, Field(max_length=60)] = None
    valid_from: date | None = None
    valid_to: Annotated[date | None, Field(description="New last day, inclusive; an extension names it.")] = None
    issued_on: date | None = None
    seal_id: Id | None = None
    matter_code: MatterCode | None = None
    case_number: Annotated[str, Field(max_length=60)] = ""

    def to_revision(self, idempotency_key: str) -> Revision:
        """Return the use case's own request."""
        values = self.model_dump(exclude={"holders"})
        holders = None
        if self.holders is not None:
            holders = tuple(Holder(holder.name, holder.code_type, holder.code) for holder in self.holders)
        return Revision(**values, holders=holders, idempotency_key=idempotency_key)


class SearchLicences(Schema):
    """Whose licences of which type are needed for a case; nothing of it stands in an address or a log."""

    holder_code_type: Annotated[str, Field(pattern=r"^[0-9]{3}$", description="Annex A, such as 111 or 001.")]
    holder_code: Annotated[str, Field(min_length=1, max_length=40)]
    type_code: Annotated[str, Field(min_length=TYPE_CODE_LENGTH, max_length=TYPE_CODE_LENGTH)]
    matter_code: MatterCode
    case_number: Annotated[str, Field(min_length=1, max_length=60)]
    reason: Annotated[str, Field(min_length=1, max_length=200, description="One sentence the holder will see.")]
    operator: Annotated[str, Field(min_length=1, max_length=60, description="Staff number of who asks.")]

    def holder(self) -> Holder:
        """Return whose licences are asked for."""
        return Holder("", self.holder_code_type, self.holder_code)

    def purpose(self) -> Purpose:
        """Return the use case's own purpose."""
        return Purpose(self.matter_code, self.case_number, self.reason, self.operator)


class ChangeState(Schema):
    """A change of state to record."""

    state: LicenceState
    reason_code: ReasonCode
    reason_text: Annotated[str, Field(min_length=1, max_length=500)]
    legal_basis: Line = ""
    effective_at: Moment | None = None

    def to_change(self) -> StateChange:
        """Return the use case's own request."""
        return StateChange(**self.model_dump())


class HolderAnswer(Answer):
    """One holder."""

    name: str
    code_type: str
    code: str


class LicenceAnswer(Answer):
    """A licence as an entitled department sees it."""

    identifier: str
    type_code: str
    type_name: str
    type_version: int
    licence_number: str
    holders: list[HolderAnswer]
    face: dict[str, Any]
    issuer_code: str
    issuer_name: str
    issued_on: date
    valid_from: date
    valid_to: date | None
    version: int
    state: LicenceState
    reason: str
    qr_text: str
    document_digest: str
    registered_at: AwareDatetime
    previous_identifier: str | None
    access_id: str | None
    masked: bool


class LicenceList(Answer):
    """Licences, newest first."""

    licences: list[LicenceAnswer]


class TypeFiguresAnswer(Answer):
    """Licences of one type by state now, and how many expire within 90 days."""

    type_code: str
    type_name: str
    by_state: dict[str, int]
    expiring: int
    total: int


class StatisticsAnswer(Answer):
    """Figures of the caller's organisation; counts of readings below five are shown as 0."""

    types: list[TypeFiguresAnswer]
    issued_by_day: Annotated[dict[date, int], Field(description="The last 30 days.")]
    accesses_by_way: dict[str, int]


class StateAnswer(Answer):
    """One recorded statement about a licence's state."""

    sequence: int
    state: LicenceState
    effective_at: AwareDatetime
    recorded_at: AwareDatetime
    reason_code: ReasonCode
    reason_text: str
    legal_basis: str


class StateList(Answer):
    """Every recorded state, oldest first."""

    states: list[StateAnswer]


class SharingAnswer(Answer):
    """A line of a type's sharing list 共享清单."""

    organisation_code: str
    matters: list[str]
    fields: list[str]


class TypeAnswer(Answer):
    """One published licence type 证照类型."""

    code: str
    version: int
    name: str
    english_name: str
    category: str
    defining_authority: str
    issuer_level: str
    holder_kind: str
    holder_code_types: list[str]
    max_holders: int
    validity: str
    max_years: int | None
    number_pattern: Annotated[str, Field(description="Regular expression of the printed number; any when empty.")]
    face_schema: Annotated[dict[str, Any], Field(description="JSON Schema 2020-12 of the face data.")]
    sharing: Annotated[list[SharingAnswer], Field(description="Who may read what ex officio; `*` is any.")]


class TypeList(Answer):
    """The published catalogue."""

    types: list[TypeAnswer]


SIGNED_CATALOGUE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The catalogue; as JWT the same types, signed by the key of the trust list.",
        "content": {JWT: {"schema": {"type": "string"}}},
        "headers": {"etag": {"description": "Beside JWT, for If-None-Match.", "schema": {"type": "string"}}},
    },
    304: {"description": "What the caller has is still the newest."},
}
