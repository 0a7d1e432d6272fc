"""Verification of many rows at once, as a job."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response, StreamingResponse

from api.context import services_of
from api.dependencies import principal_of
from api.schemas.batches import RESULTS, UPLOAD, BatchAnswer
from api.schemas.common import problems
from api.strict import StrictRoute, one_header
from foundation.errors import InvalidInput, NotFound
from verification.batches.export import as_csv, as_ndjson
from verification.batches.rows import CSV, MEDIA_TYPES, NDJSON, read_rows
from verification.batches.service import VerificationBatches

router = APIRouter(route_class=StrictRoute, tags=["verification"])

BatchId = Annotated[str, Path(min_length=1, max_length=64)]


@router.post(
    "/api/v1/verification-batches",
    status_code=202,
    summary="Verify up to 10,000 rows as a job",
    responses=problems(400, 401, 403, 413, 422, 429, 503),
    openapi_extra=UPLOAD,
)
async def start(request: Request, response: Response) -> BatchAnswer:
    """Queue identifiers and code texts; nothing of an upload is taken when one row breaks a rule."""
    one_header(request, "content-type")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise InvalidInput(f"Rows come as {', '.join(MEDIA_TYPES)}.", field="content-type")
    rows = read_rows(await request.body(), media_type)
    progress = await batches_of(request).start(principal_of(request), rows)
    response.headers["location"] = f"/api/v1/verification-batches/{progress.batch_id}"
    return BatchAnswer.model_validate(progress)


@router.get(
    "/api/v1/verification-batches/{batch_id}",
    summary="How far a batch is",
    responses=problems(401, 403, 404, 422, 503),
)
async def progress(request: Request, batch_id: BatchId) -> BatchAnswer:
    """Return counts by verdict; only the caller's own organisation's batches."""
    return BatchAnswer.model_validate(await batches_of(request).progress(principal_of(request), batch_id))


@router.get(
    "/api/v1/verification-batches/{batch_id}/results",
    summary="Results of a batch",
    response_class=Response,
    responses={**RESULTS, **problems(401, 403, 404, 422, 503)},
)
async def results(request: Request, batch_id: BatchId) -> Response:
    """Return the judged rows with their receipts: a table where `Accept` asks for text/csv, else NDJSON."""
    media_type = CSV if CSV in request.headers.get("accept", "") else NDJSON
    return await results_file(request, batch_id, media_type)


def batches_of(request: Request) -> VerificationBatches:
    """Return the batches of this service."""
    found = services_of(request).verification_parts.batches
    if found is None:
        raise NotFound("This service runs no batches.")
    return found


async def results_file(request: Request, batch_id: str, media_type: str) -> Response:
    """Return what was judged so far as a download, sent while it is read; raises NotFound."""
    batches, principal = batches_of(request), principal_of(request)
    await batches.progress(principal, batch_id)
    judged = batches.results(principal, batch_id)
    lines, suffix = (as_csv(judged), "csv") if media_type == CSV else (as_ndjson(judged), "ndjson")
    headers = {"content-disposition": f'attachment; filename="{batch_id}.{suffix}"', "cache-control": "no-store"}
    return StreamingResponse(lines, media_type=media_type, headers=headers)
