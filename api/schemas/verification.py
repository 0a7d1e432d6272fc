"""Verification requests; the answer is `verification.model.Report` as it prints itself."""

import base64
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from api.schemas.common import Answer, Moment, Schema
from verification.pages import Previews

MAX_CODE_CHARS = 8_000
MAX_RECEIPT_CHARS = 64_000


At = Annotated[Moment | None, Field(description="Was it valid at this moment? Now when left out.")]
KnownAt = Annotated[
    Moment | None,
    Field(
        description="… as known at this moment: as the licence's record stood then. What has no history is not VALID."
    ),
]


class Compare(Schema):
    """What the asker believes of the holder; only "same" or "differs" comes back."""

    holder_name: Annotated[str | None, Field(max_length=200)] = None
    holder_code: Annotated[str | None, Field(max_length=40)] = None

    def given(self) -> dict[str, str]:
        """Return what was supplied."""
        return {name: value for name, value in self.model_dump().items() if value}


class ByIdentifier(Schema):
    """A GB/T 36904 identifier as typed."""

    identifier: Annotated[str, Field(min_length=1, max_length=300)]
    compare: Compare = Compare()
    at: At = None
    known_at: KnownAt = None


class ByQr(Schema):
    """The text of an HF1 code: the whole link, or from HF1 on."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_CODE_CHARS)]
    at: At = None
    known_at: KnownAt = None


class ByReceipt(Schema):
    """A receipt (compact JWS) that somebody was given."""

    receipt: Annotated[str, Field(min_length=1, max_length=MAX_RECEIPT_CHARS)]


class Texts(Answer):
    """One sentence in Chinese and English."""

    zh: str
    en: str


class CheckAnswer(Answer):
    """One thing that was looked at, with its standard's name."""

    name: str
    standard: str
    outcome: Annotated[str, Field(description="passed, failed, unknown or not_applicable")]
    detail: Texts


class StatedAnswer(Answer):
    """One item of what a receipt states: what it is, and its value."""

    label: Texts
    value: Texts


class ReportAnswer(Answer):
    """The answer: VALID 有效, INVALID 无效 with the reason, UNDETERMINED 无法确认 with the data's age."""

    verdict: Annotated[str, Field(description="VALID, INVALID or UNDETERMINED")]
    verdict_text: Texts
    reason: str
    reason_text: Texts
    indication: Annotated[str | None, Field(description="EN 319 102-1, for documents")]
    sub_indication: str | None
    checked_at: AwareDatetime
    judged_at: Annotated[AwareDatetime, Field(description="The moment the verdict is about.")]
    known_at: Annotated[AwareDatetime | None, Field(description="As known when; null when nothing but now was asked.")]
    data_as_of: AwareDatetime
    subject: dict[str, Any]
    licence: dict[str, Any] | None
    seals: list[dict[str, Any]]
    comparisons: list[dict[str, Any]]
    checks: list[CheckAnswer]
    advice: list[Texts]
    stated: Annotated[list[StatedAnswer], Field(description="What a genuine receipt says; empty for anything else")]


class VerifiedAnswer(Answer):
    """A report and its signed receipt, checkable by anyone later."""

    report: ReportAnswer
    receipt: str
    receipt_id: str


class Include(StrEnum):
    """What a PDF's answer carries besides the verdict: the report of ETSI TS 119 102-2, pictures, or both."""

    NOTHING = ""
    REPORT = "report"
    PREVIEWS = "previews"
    BOTH = "report,previews"

    @property
    def report(self) -> bool:
        """Tell whether the report is wanted."""
        return self in {Include.REPORT, Include.BOTH}

    @property
    def previews(self) -> bool:
        """Tell whether pictures are wanted."""
        return self in {Include.PREVIEWS, Include.BOTH}


class PagePairAnswer(Answer):
    """One page as it was sealed and as the file shows it now; pictures are PNG in base64."""

    page: int
    same: bool
    sealed_png: Annotated[str | None, Field(description="None when no sealed revision has the page.")]
    now_png: Annotated[str | None, Field(description="None when the page still shows what was sealed.")]
    changed: Annotated[list[int] | None, Field(description="Left, top, right, bottom in pixels.")]


class PreviewsAnswer(Answer):
    """A few pages, changed ones first."""

    page_count: int
    pages: list[PagePairAnswer]


class VerifiedPdfAnswer(VerifiedAnswer):
    """A verdict on a PDF with what was asked for besides."""

    etsi_report: str | None = None
    previews: PreviewsAnswer | None = None


XML = "application/xml"
ETSI_REPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The verdict; as XML the validation report of ETSI TS 119 102-2 alone.",
        "content": {XML: {"schema": {"type": "string"}}},
        "headers": {"hufu-receipt": {"description": "The receipt, beside XML.", "schema": {"type": "string"}}},
    }
}


def previews_json(previews: Previews | None) -> dict[str, Any] | None:
    """Return pictures as the answer carries them; None when no page can be drawn."""
    if previews is None:
        return None
    pages = [
        {
            "page": item.page,
            "same": item.same,
            "sealed_png": base64.b64encode(item.sealed_png).decode() or None,
            "now_png": base64.b64encode(item.now_png).decode() or None,
            "changed": None if item.changed is None else list(item.changed),
        }
        for item in previews.pages
    ]
    return {"page_count": previews.page_count, "pages": pages}
