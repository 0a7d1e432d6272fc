"""Building blocks of the schemas: nothing unknown, nothing without a length."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

EARLIEST_YEAR, LATEST_YEAR = 1900, 2200


class Schema(BaseModel):
    """A request or answer; an unknown member is refused and named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """An answer, read from a frozen dataclass."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def _credit_code_shape(text: str) -> str:
    if not re.fullmatch(r"[0-9A-HJ-NPQRTUWXY]{18}", text):
        raise ValueError("must be the 18 characters of a unified social credit code")
    return text


def _usable_moment(moment: datetime) -> datetime:
    # A moment at the edge of the calendar has no equivalent in UTC.
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise ValueError(f"must lie between the years {EARLIEST_YEAR} and {LATEST_YEAR}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_usable_moment)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
Line = Annotated[str, StringConstraints(max_length=300, strip_whitespace=True)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.\-]+$")]
CreditCode = Annotated[str, AfterValidator(_credit_code_shape), Field(max_length=18)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=160, strip_whitespace=True)]
MatterCode = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]


class FieldError(Answer):
    """One offending field and the rule it breaks."""

    field: str
    rule: str


class ProblemDocument(Answer):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    request_id: str
    detail: str | None = None
    errors: list[FieldError] | None = None


MEANINGS = {
    400: "The request cannot be read.",
    401: "No valid access token.",
    403: "The token lacks the scope, or the object is another department's.",
    404: "There is no such object, or the caller may not know that there is.",
    409: "The object's state does not allow this.",
    413: "The body or a part of it is over its limit.",
    415: "The file is not of the kind this route takes.",
    422: "A field breaks a rule; `errors` names field and rule.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "A part of the service, or somebody outside, does not answer now.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses for the problems a route may answer with."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": MEANINGS[status], "content": content} for status in statuses}


def binary(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI 200 answer of a route that returns a file."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}
