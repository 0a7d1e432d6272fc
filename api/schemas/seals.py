"""Seals and sealing as JSON."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from api.schemas.common import Answer, Schema
from signing import placement as places
from signing.model import BaselineLevel, Seal, SealedDocument, SealKind, SealState

Points = Annotated[float, Field(ge=-20000, le=20000, allow_inf_nan=False)]
Length = Annotated[float, Field(ge=places.MIN_LENGTH, le=places.MAX_LENGTH, allow_inf_nan=False)]
Page = Annotated[int, Field(ge=1, le=5000)]


class InvisiblePlace(Schema):
    """No picture; the signature panel alone shows the seal."""

    kind: Literal["invisible"]

    def to_domain(self) -> places.Placement:
        """Return the placement."""
        return places.Invisible()


class RectanglePlace(Schema):
    """A picture in a rectangle of one page; points from the lower left corner as the page is shown."""

    kind: Literal["rectangle"]
    page: Page
    x: Points
    y: Points
    width: Length = places.ROUND_SEAL_POINTS
    height: Length = places.ROUND_SEAL_POINTS

    def to_domain(self) -> places.Placement:
        """Return the placement."""
        return places.Rectangle(**self.model_dump(exclude={"kind"}))


class KeywordPlace(Schema):
    """A picture centred on an occurrence of some text, such as 盖章处."""

    kind: Literal["keyword"]
    text: Annotated[str, Field(min_length=1, max_length=places.MAX_KEYWORD)]
    page: Page | None = None
    occurrence: Annotated[int, Field(ge=-1000, le=1000)] = 1
    offset_x: Points = 0.0
    offset_y: Points = 0.0
    width: Length = places.ROUND_SEAL_POINTS
    height: Length = places.ROUND_SEAL_POINTS

    def to_domain(self) -> places.Placement:
        """Return the placement."""
        return places.Keyword(**self.model_dump(exclude={"kind"}))


class EveryPagePlace(Schema):
    """The same rectangle on every page."""

    kind: Literal["every_page"]
    x: Points
    y: Points
    width: Length = places.ROUND_SEAL_POINTS
    height: Length = places.ROUND_SEAL_POINTS

    def to_domain(self) -> places.Placement:
        """Return the placement."""
        return places.EveryPage(**self.model_dump(exclude={"kind"}))


class SeamPlace(Schema):
    """A seam seal 骑缝章 across the edge of the sheets."""

    kind: Literal["seam"]
    edge: places.Edge = places.Edge.RIGHT
    centre: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    diameter: Length = places.ROUND_SEAL_POINTS
    sheets: Annotated[int, Field(ge=places.MIN_SHEETS, le=places.MAX_SHEETS)] = 30

    def to_domain(self) -> places.Placement:
        """Return the placement."""
        return places.Seam(**self.model_dump(exclude={"kind"}))


Place = Annotated[
    InvisiblePlace | RectanglePlace | KeywordPlace | EveryPagePlace | SeamPlace, Field(discriminator="kind")
]
PLACE: TypeAdapter[Place] = TypeAdapter(Place)


class SealAnswer(Answer):
    """A seal the caller may use."""

    seal_id: str
    organisation_code: str
    organisation_name: str
    kind: SealKind
    name: str
    state: SealState
    filing_number: str | None
    use_count: int


class SealList(Answer):
    """The active seals the caller may use now."""

    seals: list[SealAnswer]

    @classmethod
    def of(cls, seals: tuple[Seal, ...]) -> "SealList":
        """Return the list."""
        return cls(seals=[SealAnswer.model_validate(seal) for seal in seals])


class SealUseAnswer(Answer):
    """One line of a seal's register of use."""

    use_number: int
    used_by: str
    used_at: AwareDatetime
    document_sha256: str
    sealed_sha256: str
    matter_code: str | None
    level: BaselineLevel
    second_factor_method: str | None


class SealUseList(Answer):
    """Up to 100 lines, newest first; `before` pages back."""

    uses: list[SealUseAnswer]


class SealedAnswer(Answer):
    """A document that left with its seal; fetch the bytes from `location`."""

    document_id: str
    seal_id: str
    use_number: int
    sha256: str
    level: BaselineLevel
    sealed_at: AwareDatetime
    location: str

    @classmethod
    def of(cls, sealed: SealedDocument) -> "SealedAnswer":
        """Return the answer, without the bytes."""
        return cls(
            document_id=sealed.document_id,
            seal_id=sealed.seal_id,
            use_number=sealed.use_number,
            sha256=sealed.sha256.hex(),
            level=sealed.level,
            sealed_at=sealed.sealed_at,
            location=f"/api/v1/sealed-documents/{sealed.document_id}",
        )
