"""Pages without sign-in: the start, and verification."""

import base64
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData, UploadFile

from api.context import services_of
from api.dependencies import limit_source
from api.web import sessions
from api.web.arriving import home_of, visitor_of
from api.web.csrf import public_form, text_of
from api.web.i18n import ENGLISH, N_, language_of
from api.web.messages import FIELD_RULES, told
from api.web.reading import reading_page
from api.web.rendering import CIVIL_TIME, day, page, say, see_other
from foundation.clock import civil_date
from foundation.errors import TrustServiceError
from licence_vault.shows import is_show_code
from verification.as_of import AsOf
from verification.etsi_report import etsi_report
from verification.field_names import field_name
from verification.licences import REASON_OF_STATE
from verification.model import Reason, Report, Sentence, Verdict
from verification.own_documents import ASK_THE_ISSUER
from verification.pages import PagePair
from verification.service import Verified
from verification.shown_licences import what_the_seal_proves

router = APIRouter(include_in_schema=False)

ADVICE = {
    Verdict.VALID: N_("请再核对持证人本人：证照有效不等于拿证的人就是持证人。"),
    Verdict.INVALID: N_("请不要接受。请持证人出示新证，或向签发机构核实。"),
    Verdict.UNDETERMINED: N_("请不要当作有效。请稍后再验，或向签发机构核实。"),
}
ADVICE_OF_SLIP = {
    Reason.IDENTIFIER_MALFORMED: N_(
        "可能是输错了。请对照证照，逐位检查以 1.2.156.3005.2 开头的证照标识（不是许可证编号，也不是身份证号），"
        "改好再验。没有输错仍是这个结论，请不要接受。"
    ),
    Reason.CODE_MALFORMED: N_(
        "可能是没有扫全，或者扫的不是证照上的码。请对准证照上的二维码再扫一次；仍是这个结论，请不要接受。"
    ),
    Reason.HOLDER_DIFFERS: N_("请先检查名称和号码有没有输错；没有输错，请不要接受，并向签发机构核实。"),
    Reason.RECEIPT_FORGED: N_("请把回执从头到尾完整复制，再验一次；仍是这个结论，请不要采信这份回执。"),
}
"""What a slip of the hand may have caused is not held against the holder before it was tried again."""
FILE_ADVICE = {
    Verdict.INVALID: N_("请不要接受。请对方提供盖章后没有改动的原文件，或向盖章单位核实。"),
    Verdict.UNDETERMINED: N_("请不要当作有效。请稍后再验，或向盖章单位核实。"),
}
OF_THE_FILE = frozenset({Reason.SEAL_FORGED, Reason.DOCUMENT_CHANGED, Reason.FORMAT_FAILURE, Reason.PARSERS_DISAGREE})
SHOW_CODE = N_("这是亮证码，只给窗口扫，不能在这里核验。请窗口在“核对原件”一页扫它；在这里请扫证照上的二维码。")
PAPER_REASON = Sentence(
    "印章有效，盖章之后文件没有改动。", "The seals hold, and the file has not been changed since it was sealed."
)
THEN_ADVICE = N_("这只说明所问那一天的情况；要知道现在是否有效，请不填日期再验一次。")
NO_DAY = N_("请选择一个日期，例如 2026-03-01。")
FUTURE_DAY = N_("这一天还没有到，谁也不知道；请选今天或以前的一天。")
RECEIPT_DAY = N_("回执只说明它自己记载的时点；请去掉日期再验。")
EARLIEST_YEAR = 1900
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


class WrongDay(Exception):
    """A day that cannot be asked about; carries the field and the sentence."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(field)
        self.errors = {field: text}


def _days(form: FormData, way: str) -> dict[str, str]:
    """Return the days as typed, by field; each form on the page has its own."""
    return {name: text_of(form, name, limit=20) for name in (f"{way}_at", f"{way}_known_at")}


def _as_of(request: Request, days: dict[str, str]) -> AsOf:
    """Return the moments asked about: a day counts to its end, today until now; raises WrongDay."""
    now = services_of(request).clock.now()
    return AsOf(*(_end_of_day(request, name, text, now) if text else None for name, text in days.items()))


def _end_of_day(request: Request, field: str, text: str, now: datetime) -> datetime:
    try:
        chosen = date.fromisoformat(text)
    except ValueError as error:
        raise WrongDay(field, say(request, NO_DAY)) from error
    if chosen.year < EARLIEST_YEAR:
        raise WrongDay(field, say(request, NO_DAY))
    if chosen > civil_date(now):
        raise WrongDay(field, say(request, FUTURE_DAY))
    end = datetime.combine(chosen + timedelta(days=1), time(), CIVIL_TIME) - timedelta(seconds=1)
    return min(end, now)


@router.post("/v/identifier")
async def by_identifier(request: Request) -> Response:
    """Judge an identifier as typed."""
    form = await public_form(request)
    names = ("identifier", "holder_name", "holder_code")
    days = _days(form, "identifier")
    values = {name: text_of(form, name, limit=300) for name in names} | days
    if not values["identifier"]:
        return await _again(request, {"identifier": say(request, FIELD_RULES["identifier"])}, values)
    compare = {name: values[name] for name in names[1:] if values[name]}
    if is_show_code(values["identifier"]):
        return await _again(request, {"identifier": say(request, SHOW_CODE)}, values)
    judge = partial(
        services_of(request).verification.by_identifier, visitor_of(request), values["identifier"], compare=compare
    )
    return await _judged(request, "identifier", values, days, judge)


@router.post("/v/qr")
async def by_qr(request: Request) -> Response:
    """Judge the text of a code."""
    form = await public_form(request)
    days = _days(form, "qr")
    values = {"text": text_of(form, "text", limit=MAX_TEXT)} | days
    if not values["text"]:
        return await _again(request, {"text": say(request, FIELD_RULES["text"])}, values)
    if is_show_code(values["text"]):
        return await _again(request, {"_form": say(request, SHOW_CODE)}, values)
    judge = partial(services_of(request).verification.by_qr, visitor_of(request), values["text"])
    return await _judged(request, "qr", values, days, judge)


@router.post("/v/pdf")
async def by_pdf(request: Request) -> Response:
    """Judge a PDF that was dropped or chosen."""
    form = await public_form(request)
    document = form.get("document")
    data = await document.read() if isinstance(document, UploadFile) else b""
    days = _days(form, "pdf")
    if not data:
        return await _again(request, {"document": say(request, FIELD_RULES["document"])}, days)
    service = services_of(request).verification
    if data.startswith(TOKEN) and any(days.values()):
        return await _again(request, {"pdf_at": say(request, RECEIPT_DAY)}, days)
    if data.startswith(TOKEN):
        return await _verdict(
            request, "receipt", await service.by_receipt(data[:MAX_RECEIPT].decode("ascii", "replace"))
        )
    if data.startswith(PICTURES):
        judge = partial(service.by_picture, visitor_of(request), data)
        return await _judged(request, "qr", days, days, judge, field="document")
    judge = partial(service.by_pdf, visitor_of(request), data, examine=True, previews=True)
    return await _judged(request, "pdf", days, days, judge)


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


async def _judged(
    request: Request,
    way: str,
    values: dict[str, str],
    days: dict[str, str],
    judge: Callable[..., Awaitable[Verified]],
    *,
    field: str = "",
) -> Response:
    try:
        as_of = _as_of(request, days)
    except WrongDay as error:
        return await _again(request, error.errors, values)
    if way == "pdf":
        await limit_source(request, PDFS_PER_MINUTE, "pdf")
    try:
        verified = await judge(at=as_of.at, known_at=as_of.known_at)
    except TrustServiceError as error:
        name = field or {"pdf": "document", "qr": "text"}.get(way, way)
        return await _again(request, {name: say(request, told(error).text)}, values)
    return await _verdict(request, way, verified.report, verified, typed=values.get("identifier", ""))


async def _verdict(
    request: Request, way: str, report: Report, verified: Verified | None = None, *, typed: str = ""
) -> Response:
    request.app.state.metrics.verdict(way, report.verdict.value)
    previews = verified.previews if verified else None
    shown = {
        "report": report,
        "why": reason_of(report, language_of(request)),
        "field_name": field_name,
        "todo": _todo(request, report),
        "values": {"identifier": typed} if typed and report.reason is Reason.IDENTIFIER_MALFORMED else {},
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
    slip = _slip(report)
    if slip:
        return say(request, slip)
    if report.judged_at is not None and report.subject.kind != "receipt":
        then = say(request, THEN_ADVICE)
        return f"{_in(request, what_the_seal_proves(report))} {then}" if _is_paper(report) else then
    if _is_paper(report):
        return _in(request, what_the_seal_proves(report))
    if report.subject.kind == "receipt" and report.advice:
        return _in(request, report.advice[0])
    if ASK_THE_ISSUER in report.advice or report.reason is Reason.LICENCE_COVERED:
        return _in(request, ASK_THE_ISSUER)
    return say(request, (FILE_ADVICE if _of_the_file(report) else ADVICE)[report.verdict])


def _slip(report: Report) -> str:
    """Return what to try first where the one who asked may have slipped; empty elsewhere."""
    typed = report.reason is not Reason.IDENTIFIER_MALFORMED or report.subject.kind == "identifier"
    return ADVICE_OF_SLIP.get(report.reason, "") if typed and report.subject.kind != "pdf" else ""


def _of_the_file(report: Report) -> bool:
    """Tell whether a verdict that is not VALID lies in the file, and not in a licence that it carries."""
    if report.subject.kind != "pdf" or report.verdict is Verdict.VALID:
        return False
    return report.reason in OF_THE_FILE or (report.licence is None and report.attached is None)


def _in(request: Request, sentence: Sentence) -> str:
    return sentence.en if language_of(request) == ENGLISH else sentence.zh


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
