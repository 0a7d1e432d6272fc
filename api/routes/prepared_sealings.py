"""Sealing in two steps: prepare, look, confirm; a restart between them loses nothing."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.routes.seals import (
    DocumentFile,
    LevelField,
    MatterField,
    ObjectId,
    PlacementField,
    SealIdField,
    placement_from,
)
from api.schemas.common import binary, problems
from api.schemas.prepared_sealings import PreparedAnswer, PreparedStateAnswer
from api.schemas.seals import SealedAnswer
from api.strict import StrictRoute
from signing.model import BaselineLevel, SealRequest

router = APIRouter(route_class=StrictRoute, tags=["seals"])
ONE = "/api/v1/prepared-sealings/{intention_id}"


@router.post(
    "/api/v1/prepared-sealings",
    status_code=201,
    summary="Prepare a document for its seal",
    responses=problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
)
async def prepare(
    request: Request,
    document: DocumentFile,
    seal_id: SealIdField,
    placement: PlacementField = "",
    matter_code: MatterField = None,
    level: LevelField = BaselineLevel.B_T,
) -> PreparedAnswer:
    """Examine a document and store what would be sealed; nothing is sealed before it is confirmed."""
    order = SealRequest(seal_id, await document.read(), placement_from(placement), matter_code, level)
    return PreparedAnswer.of(await services_of(request).sealing.prepare(principal_of(request), order))


@router.get(ONE, summary="Where a prepared sealing stands", responses=problems(401, 403, 404, 422))
async def state(request: Request, intention_id: ObjectId) -> PreparedStateAnswer:
    """Return the state to who prepared it: what to ask when the answer to a confirmation was lost."""
    sealing = services_of(request).sealing
    return PreparedStateAnswer.of(await sealing.prepared_state(principal_of(request), intention_id))


@router.get(
    f"{ONE}/pdf",
    summary="The document as it will look",
    response_class=Response,
    responses=binary("application/pdf", "The document with the seal's picture, unsigned.")
    | problems(401, 403, 404, 409, 422, 503),
)
async def preview(request: Request, intention_id: ObjectId) -> Response:
    """Return what a confirmation would seal, as long as it waits."""
    data = await services_of(request).sealing.preview(principal_of(request), intention_id)
    return Response(data, media_type="application/pdf", headers={"cache-control": "no-store"})


@router.post(
    f"{ONE}/confirmation",
    status_code=201,
    summary="Confirm a prepared sealing",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def confirm(request: Request, intention_id: ObjectId) -> SealedAnswer:
    """Seal what was prepared, once; the DPoP proof of this request is what the signer may demand to see."""
    return SealedAnswer.of(await services_of(request).sealing.confirm(principal_of(request), intention_id))


@router.delete(
    ONE, status_code=204, summary="Give a prepared sealing up", responses=problems(401, 403, 404, 409, 422, 503)
)
async def withdraw(request: Request, intention_id: ObjectId) -> Response:
    """Delete the prepared document; what was confirmed stays."""
    await services_of(request).sealing.withdraw(principal_of(request), intention_id)
    return Response(status_code=204)
