"""Verifying a table of licences: upload, watch, fetch the results."""

import csv
import io

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import UploadFile

from api.dependencies import principal_of
from api.routes.batches import batches_of, results_file
from api.web.csrf import checked_form
from api.web.i18n import N_
from api.web.messages import told
from api.web.rendering import page, say, see_other
from foundation.errors import InvalidInput, TrustServiceError
from verification.batches.rows import CSV, JSON, NDJSON, read_rows
from verification.batches.service import BatchProgress

router = APIRouter(include_in_schema=False)

BY_SUFFIX = {"csv": CSV, "ndjson": NDJSON, "jsonl": NDJSON, "json": JSON}
COLUMNS = {
    "证照标识": "identifier",
    "二维码文字": "qr",
    "自己的编号": "ref",
    "持证主体名称": "holder_name",
    "证件号码": "holder_code",
    "哪个时点": "at",
    "登记截至": "known_at",
}
CHOOSE = N_("请选择一个 CSV 文件。")
BROKEN = N_("第 %(row)s 行不对，整个文件没有接收。请改好后重新上传。")
RULES = {
    "The rows are not UTF-8.": N_("读不出文件里的字。请在表格软件里另存为“CSV UTF-8”，再上传。"),
    "The first line names the columns, each once; one is `identifier` or `qr`.": N_(
        "第一行要写列名，每个只写一次，其中要有“证照标识”或“二维码文字”。表格文件（xlsx）请先另存为 CSV。"
    ),
    "There is no row.": N_("文件里没有要核验的行。"),
    "The table is not CSV (RFC 4180).": N_("这个文件不是 CSV 表格。请在表格软件里另存为 CSV，再上传。"),
    "A line has more cells than the first.": N_("这一行的格数比第一行多。"),
    "A row has either `identifier` or `qr`.": N_("每行要填证照标识或二维码文字，只填一个。"),
    "Holder data go with an identifier; a code names its holder itself.": N_(
        "持证人信息只能和证照标识一起填；二维码里已经有持证人。"
    ),
    "There is no such field.": N_("没有这一列。"),
    "The text holds control characters.": N_("含有看不见的控制字符。"),
    "The moment is a date and time with its zone (RFC 3339).": N_("时点要写成 2026-03-01T17:00:00+08:00。"),
}
OTHER_RULE = N_("内容不符合要求。")


@router.get("/desk/batches")
async def begin(request: Request) -> Response:
    """Ask for the table."""
    return await page(request, "batch.html")


@router.post("/desk/batches")
async def upload(request: Request) -> Response:
    """Queue the rows of an uploaded table."""
    form = await checked_form(request)
    document = form.get("table")
    data = await document.read() if isinstance(document, UploadFile) else b""
    if not isinstance(document, UploadFile) or not data:
        return await _again(request, say(request, CHOOSE))
    media_type = BY_SUFFIX.get((document.filename or "").rpartition(".")[2].lower(), CSV)
    try:
        progress = await batches_of(request).start(
            principal_of(request), read_rows(as_rows(data, media_type), media_type)
        )
    except InvalidInput as error:
        where = (error.field or "").split(".")
        if len(where) > 1:
            column = f"{'.'.join(where[2:])} " if where[2:] else ""
            return await _again(request, f"{say(request, BROKEN, row=where[1])} {column}{_rule(request, error)}")
        return await _again(request, _rule(request, error))
    except TrustServiceError as error:
        return await _again(request, say(request, told(error).text))
    return see_other(f"/desk/batches/{progress.batch_id}")


def as_rows(data: bytes, media_type: str) -> bytes:
    """Return what was uploaded in UTF-8, and a table with the columns' names that the API has."""
    data = in_utf_8(data)
    if media_type != CSV:
        return data
    first, end, rest = data.partition(b"\n")
    try:
        names = next(csv.reader([first.decode("utf-8-sig").rstrip("\r")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return data
    if not any(name.strip() in COLUMNS for name in names):
        return data
    named = io.StringIO()
    csv.writer(named, lineterminator="").writerow([COLUMNS.get(name.strip(), name) for name in names])
    return named.getvalue().encode() + end + rest


def in_utf_8(data: bytes) -> bytes:
    """Return a table in UTF-8: Chinese spreadsheets save CSV in GB 18030."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return data.decode("gb18030").encode()
        except UnicodeDecodeError:
            return data
    return data


def _rule(request: Request, error: InvalidInput) -> str:
    return say(request, RULES.get(error.detail, OTHER_RULE))


@router.get("/desk/batches/{batch_id}")
async def watch(request: Request, batch_id: str) -> Response:
    """Show how far a batch is and, when it is through, what came out."""
    return await page(request, "batch_progress.html", {"batch": await _progress(request, batch_id)})


@router.get("/desk/batches/{batch_id}/state")
async def state(request: Request, batch_id: str) -> Response:
    """Tell the page's script how far a batch is."""
    batch = await _progress(request, batch_id)
    counted = {"judged": batch.done + batch.failed, "total": batch.total, "finished": batch.finished}
    return JSONResponse(counted, headers={"cache-control": "no-store"})


@router.get("/desk/batches/{batch_id}/results")
async def results(request: Request, batch_id: str) -> Response:
    """Return the results as a table."""
    return await results_file(request, batch_id, CSV)


async def _progress(request: Request, batch_id: str) -> BatchProgress:
    return await batches_of(request).progress(principal_of(request), batch_id)


async def _again(request: Request, text: str) -> Response:
    return await page(request, "batch.html", {"errors": {"table": text}}, status=422)
