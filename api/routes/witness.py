"""Being a witness for other logs over HTTP (C2SP tlog-witness): submission and monitoring under one prefix."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import PlainTextResponse, Response

from api.context import services_of
from api.schemas.common import problems
from api.strict import StrictRoute
from foundation.errors import LimitExceeded

router = APIRouter(route_class=StrictRoute, tags=["log"])

MAX_SUBMISSION_BYTES = 16 * 1024
SUBMISSION = {
    "requestBody": {
        "required": True,
        "content": {"text/plain": {"schema": {"type": "string", "maxLength": MAX_SUBMISSION_BYTES}}},
    }
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request is not in the protocol's form, or its old size is above the new.", "content": {}},
    403: {"description": "The log's own signature is missing.", "content": {}},
    409: {"description": "Another size was cosigned last; it is in the body.", "content": {"text/x.tlog.size": {}}},
    422: {"description": "The tree did not grow from the one cosigned last.", "content": {}},
}


@router.post(
    "/witness/add-checkpoint",
    summary="Have a checkpoint cosigned",
    response_class=PlainTextResponse,
    responses={**problems(404, 413, 429, 503), **REFUSALS},
    openapi_extra=SUBMISSION,
)
async def add_checkpoint(request: Request) -> Response:
    """Cosign a checkpoint of a log that is ours to witness, if its tree only grew."""
    body = await request.body()
    if len(body) > MAX_SUBMISSION_BYTES:
        raise LimitExceeded("A submission is at most 16 KiB long.")
    answer = await services_of(request).verification_parts.witness.add_checkpoint(body.decode("utf-8", "replace"))
    return Response(answer.body, answer.status, media_type=answer.media_type, headers={"cache-control": "no-store"})


@router.get(
    "/witness/key",
    summary="The key our cosignatures are checked with",
    response_class=PlainTextResponse,
    responses=problems(404, 422, 503),
)
async def key(request: Request) -> Response:
    """Return the verifier key of the witness; 404 when this service is none."""
    found = await services_of(request).verification_parts.witness.key()
    return PlainTextResponse(found.text, headers={"cache-control": "public, max-age=300"})


@router.get(
    "/witness/{origin_hash}/checkpoint",
    summary="The last checkpoint cosigned of a log",
    response_class=PlainTextResponse,
    responses=problems(404, 422, 503),
)
async def checkpoint(
    request: Request, origin_hash: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the origin.")]
) -> Response:
    """Return the checkpoint with the log's signature and ours."""
    note = await services_of(request).verification_parts.witness.checkpoint(origin_hash)
    return PlainTextResponse(note, headers={"cache-control": "public, max-age=5"})
