"""Showing (亮证) as JSON: a window scans a holder's code, waits for the phone, collects once."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from api.schemas.common import Answer, Line, MatterCode, Schema
from api.schemas.licences import LicenceAnswer
from licence_vault.model import Purpose
from licence_vault.shows import MAX_FIELDS, ShowState


class ScanShow(Schema):
    """A code read from a holder's phone, and what it is for."""

    code: Annotated[str, Field(min_length=1, max_length=200)]
    matter_code: MatterCode
    case_number: Annotated[str, Field(min_length=1, max_length=60)]
    reason: Annotated[str, Field(min_length=1, max_length=300)]
    operator: Annotated[str, Field(min_length=1, max_length=60, description="Staff number of who scans.")]
    fields: Annotated[list[Line] | None, Field(min_length=1, max_length=MAX_FIELDS)] = None

    def purpose(self) -> Purpose:
        """Return the use case's own purpose."""
        return Purpose(self.matter_code, self.case_number, self.reason, self.operator)


class ShowAnswer(Answer):
    """Where a show stands: offered, scanned, released, refused, collected or expired."""

    show_id: str
    state: ShowState
    type_names: list[str]
    expires_at: AwareDatetime
    matter_code: str | None
    case_number: str


class ShownAnswer(Answer):
    """What the holder released, and a signed receipt for the case file."""

    licences: list[LicenceAnswer]
    receipt: str
