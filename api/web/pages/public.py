"""Pages without sign-in: the start, and verification."""

import base64
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from api.context import services_of
from api.dependencies import limit_source
from api.web import sessions
from api.web.arriving import home_of, visitor_of
from api.web.csrf import public_form, text_of
from api.web.i18n import ENGLISH, N_, language_of
from api.web.messages import FIELD_RULES, told
from api.web.reading import reading_page
from api.web.rendering import CIVIL_TIME, day, page, say, see_other
from foundation.errors import TrustServiceError
from verification.etsi_report import etsi_report
from verification.field_names import field_name
from verification.licences import REASON_OF_STATE
from verification.model import Reason, Report, Sentence, Verdict
from verification.pages import PagePair
from verification.service import Verified

router = APIRouter(include_in_schema=False)

ADVICE = {
    Verdict.VALID: N_("请再核对持证人本人：证照有效不等于拿证的人就是持证人。"),
    Verdict.INVALID: N_("请不要接受。请持证人出示新证，或向签发机构核实。"),
    Verdict.UNDETERMINED: N_("请不要当作有效。请稍后再验，或向签发机构核实。"),
}
PAPER_ADVICE = N_("请看清盖章的是哪个单位。这份文件不是电子证照，证明不了谁持有什么证。")
PAPER_REASON = Sentence(
    "印章有效，盖章之后文件没有改动。", "The seals hold, and the file has not been changed since it was sealed."
)
PDFS_PER_MINUTE = 12
"""A photo or a receipt costs as little as a typed code and counts as one; a PDF costs more."""
MAX_TEXT = 8000
PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
MAX_RECEIPT = 64_000
TOKEN = b"eyJ"


@router.get("/")
async def landing(request: Request) -> Response:
    """Show the jobs that can be done here; somebody signed in goes to the own start."""
    session = await sessions.current(request)
    return see_other(home_of(session)) if session else await page(request, "landing.html")


@router.get("/help")
async def help_page(request: Request) -> Response:
    """Answer what people ask most."""
    return await page(request, "help.html")


@router.get("/v")
async def verify_page(request: Request) -> Response:
    """Show the ways to verify; a code's fragment is read by script and never sent in an address."""
    return await reading_page(request, "verify.html")


async def _again(request: Request, errors: dict[str, str], values: dict[str, str] | None = None) -> Response:
    return await reading_page(request, "verify.html", {"errors": errors, "values": values or {}}, status=422)


@router.post("/v/identifier")
async def by_identifier(request: Request) -> Response:
    """Judge an identifier as typed."""
    form = await public_form(request)
    names = ("identifier", "holder_name", "holder_code")
    values = {name: text_of(form, name, limit=300) for name in names}
    if not values["identifier"]:
        return await _again(request, {"identifier": say(request, FIELD_RULES["identifier"])}, values)
    compare = {name: values[name] for name in names[1:] if values[name]}
    return await _judged(
        request,
        "identifier",
        values,
        services_of(request).verification.by_identifier(visitor_of(request), values["identifier"], compare=compare),
    )


@router.post("/v/qr")
async def by_qr(request: Request) -> Response:
    """Judge the text of a code."""
    form = await public_form(request)
    values = {"text": text_of(form, "text", limit=MAX_TEXT)}
    if not values["text"]:
        return await _again(request, {"text": say(request, FIELD_RULES["text"])})
    return await _judged(
        request, "qr", values, services_of(request).verification.by_qr(visitor_of(request), values["text"])
    )


@router.post("/v/pdf")
async def by_pdf(request: Request) -> Response:
    """Judge a PDF that was dropped or chosen."""
    form = await public_form(request)
    document = form.get("document")
    data = await document.read() if isinstance(document, UploadFile) else b""
    if not data:
        return await _again(request, {"document": say(request, FIELD_RULES["document"])})
    service = services_of(request).verification
    if data.startswith(TOKEN):
        return await _verdict(
            request, "receipt", await service.by_receipt(data[:MAX_RECEIPT].decode("ascii", "replace"))
        )
    if data.startswith(PICTURES):
        return await _judged(request, "qr", {}, service.by_picture(visitor_of(request), data), field="document")
    await limit_source(request, PDFS_PER_MINUTE, "pdf")
    return await _judged(request, "pdf", {}, service.by_pdf(visitor_of(request), data, examine=True, previews=True))


@router.post("/v/receipt")
async def by_receipt(request: Request) -> Response:
    """Judge a receipt somebody was given."""
    form = await public_form(request)
    report = await services_of(request).verification.by_receipt(text_of(form, "receipt", limit=MAX_RECEIPT))
    return await _verdict(request, "receipt", report)


@router.post("/v/receipt/file")
async def receipt_file(request: Request) -> Response:
    """Give the receipt back as a file; it came with the page, nothing is kept for it."""
    form = await public_form(request)
    text = text_of(form, "receipt", limit=MAX_RECEIPT)
    headers = {"content-disposition": 'attachment; filename="receipt.jws"', "cache-control": "no-store"}
    return Response(text, media_type="application/jose", headers=headers)


@router.post("/v/receipt/document")
async def receipt_document(request: Request) -> Response:
    """Give the receipt back as a sealed PDF."""
    form = await public_form(request)
    try:
        pdf = await services_of(request).verification.receipt_paper(text_of(form, "receipt", limit=MAX_RECEIPT))
    except TrustServiceError as error:
        return await _again(request, {"_form": say(request, told(error).text)})
    headers = {"content-disposition": 'attachment; filename="receipt.pdf"', "cache-control": "no-store"}
    return Response(pdf, media_type="application/pdf", headers=headers)


async def _judged(request: Request, way: str, values: dict[str, str], judging: Any, *, field: str = "") -> Response:  # noqa: ANN401
    try:
        verified = await judging
    except TrustServiceError as error:
        name = field or {"pdf": "document", "qr": "text"}.get(way, way)
        return await _again(request, {name: say(request, told(error).text)}, values)
    return await _verdict(request, way, verified.report, verified)


async def _verdict(request: Request, way: str, report: Report, verified: Verified | None = None) -> Response:
    request.app.state.metrics.verdict(way, report.verdict.value)
    previews = verified.previews if verified else None
    shown = {
        "report": report,
        "why": reason_of(report, language_of(request)),
        "field_name": field_name,
        "todo": _todo(request, report),
        "receipt": verified.receipt if verified else None,
        "receipt_id": verified.receipt_id if verified else "",
        "etsi": data_address("application/xml", etsi_report(report)) if verified and report.indication else None,
        "pages": () if previews is None else tuple(_page(item) for item in previews.pages),
        "page_count": 0 if previews is None else previews.page_count,
    }
    return await page(request, "verdict.html", shown)


def _page(item: PagePair) -> dict[str, Any]:
    """Return one page's pictures as addresses that hold them: nothing is kept for the answer."""
    addresses = {name: data_address("image/png", png) if png else None for name, png in _pictures(item)}
    return {"number": item.page, "same": item.same, **addresses}


def _pictures(item: PagePair) -> tuple[tuple[str, bytes], ...]:
    return ("sealed", item.sealed_png), ("now", item.now_png)


def data_address(media_type: str, data: bytes) -> str:
    """Return an address that holds what it names (RFC 2397)."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _is_paper(report: Report) -> bool:
    """Tell a sealed document that is no licence."""
    return (
        report.subject.kind == "pdf"
        and report.verdict is Verdict.VALID
        and report.licence is None
        and report.attached is None
    )


def _todo(request: Request, report: Report) -> str:
    """Return the one sentence of what to do; a receipt tells of the past, a paper is no licence: each has its own."""
    if _is_paper(report):
        return say(request, PAPER_ADVICE)
    if report.subject.kind == "receipt" and report.advice:
        return report.advice[0].en if language_of(request) == ENGLISH else report.advice[0].zh
    return say(request, ADVICE[report.verdict])


def reason_of(report: Report, language: str) -> str:
    """Return the one sentence of reason, and since when where the licence's state is the reason."""
    sentence = report.reason.sentence
    text = sentence.en if language == ENGLISH else sentence.zh
    if _is_paper(report) and report.reason is Reason.ALL_CHECKS_PASSED:
        return PAPER_REASON.en if language == ENGLISH else PAPER_REASON.zh
    facts = report.licence
    of_state = facts is not None and REASON_OF_STATE.get(facts.state) is report.reason
    if facts and of_state and facts.state_effective_at and report.verdict is Verdict.INVALID:
        since = day(facts.state_effective_at.astimezone(CIVIL_TIME).date(), language=language)
        return f"{text.rstrip('.')} ({since})." if language == ENGLISH else f"{text.rstrip('。')}（{since}起）。"
    return text
