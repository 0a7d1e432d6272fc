"""Verifying a table of licences: upload, watch, fetch the results."""

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
CHOOSE = N_("请选择一个 CSV 文件。")
BROKEN = N_("第 %(row)s 行不对，整个文件没有接收。请改好后重新上传。")


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
        progress = await batches_of(request).start(principal_of(request), read_rows(data, media_type))
    except InvalidInput as error:
        where = (error.field or "").split(".")
        if len(where) > 1:
            return await _again(request, f"{say(request, BROKEN, row=where[1])} {'.'.join(where[2:])} {error.detail}")
        return await _again(request, f"{say(request, CHOOSE)} {error.detail}")
    except TrustServiceError as error:
        return await _again(request, say(request, told(error).text))
    return see_other(f"/desk/batches/{progress.batch_id}")


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
