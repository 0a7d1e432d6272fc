"""Many documents under one seal, as a job that goes on where it stopped."""

from typing import Annotated

from fastapi import APIRouter, File, Header, Request, UploadFile
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.routes.seals import LevelField, MatterField, ObjectId, PlacementField, SealIdField, placement_from
from api.schemas.common import problems
from api.schemas.sealing_batches import BatchDocumentAnswer, BatchDocumentList, SealingBatchAnswer
from api.strict import MAX_LISTED_FILES, StrictRoute, one_header
from signing.model import BaselineLevel, SealRequest

router = APIRouter(route_class=StrictRoute, tags=["seals"])
IdempotencyKey = Annotated[str, Header(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]


@router.post(
    "/api/v1/sealing-batches",
    status_code=202,
    summary="Seal many documents as a job",
    responses=problems(400, 401, 403, 404, 409, 413, 422, 429, 503),
)
async def start(
    request: Request,
    response: Response,
    documents: Annotated[
        list[UploadFile],
        File(min_length=1, max_length=MAX_LISTED_FILES, description="Up to 200 PDFs, 50 MB together."),
    ],
    seal_id: SealIdField,
    idempotency_key: IdempotencyKey,
    placement: PlacementField = "",
    matter_code: MatterField = None,
    level: LevelField = BaselineLevel.B_T,
) -> SealingBatchAnswer:
    """Queue documents to be sealed alike, each exactly once; the same `Idempotency-Key` is the same batch."""
    one_header(request, "idempotency-key")
    principal, batches = principal_of(request), services_of(request).seal_batches
    order = SealRequest(seal_id, b"", placement_from(placement), matter_code, level)
    files = [await document.read() for document in documents]
    batch_id = await batches.start(principal, files, order, key=idempotency_key)
    response.headers["location"] = f"/api/v1/sealing-batches/{batch_id}"
    return SealingBatchAnswer.of(batch_id, await batches.progress(principal, batch_id))


@router.get(
    "/api/v1/sealing-batches/{batch_id}",
    summary="How far a sealing batch is",
    responses=problems(401, 403, 404, 422, 503),
)
async def progress(request: Request, batch_id: ObjectId) -> SealingBatchAnswer:
    """Return counts; only the caller's own organisation's batches."""
    found = await services_of(request).seal_batches.progress(principal_of(request), batch_id)
    return SealingBatchAnswer.of(batch_id, found)


@router.get(
    "/api/v1/sealing-batches/{batch_id}/documents",
    summary="What became of each document",
    responses=problems(401, 403, 404, 422, 503),
)
async def documents_of(request: Request, batch_id: ObjectId) -> BatchDocumentList:
    """Return where each sealed document is, and why another was refused."""
    found = await services_of(request).seal_batches.documents(principal_of(request), batch_id)
    return BatchDocumentList(documents=[BatchDocumentAnswer.of(each) for each in found])
