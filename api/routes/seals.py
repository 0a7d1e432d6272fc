"""Seals and sealing for department systems."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Path, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError

from api.context import services_of
from api.dependencies import principal_of
from api.schemas.common import binary, problems
from api.schemas.seals import PLACE, SealedAnswer, SealList, SealUseAnswer, SealUseList
from api.strict import StrictRoute, parse_json
from signing.model import BaselineLevel, SealRequest, SealUse
from signing.placement import Invisible, Placement

router = APIRouter(route_class=StrictRoute, tags=["seals"])

ObjectId = Annotated[str, Path(min_length=1, max_length=64)]
DocumentFile = Annotated[UploadFile, File(description="A PDF, at most 50 MB.")]
SealIdField = Annotated[str, Form(min_length=1, max_length=64)]
PlacementField = Annotated[str, Form(max_length=2000, description="JSON, by `kind`; invisible when absent.")]
MatterField = Annotated[str | None, Form(max_length=64)]
LevelField = Annotated[BaselineLevel, Form()]


@router.get("/api/v1/seals", summary="Seals the caller may use", responses=problems(401, 403, 422))
async def usable(request: Request, matter_code: Annotated[str | None, Query(max_length=64)] = None) -> SealList:
    """Return the active seals of the caller's organisation, for one matter or for any."""
    return SealList.of(await services_of(request).seals.usable_by(principal_of(request), matter_code=matter_code))


@router.get("/api/v1/seals/{seal_id}/uses", summary="Register of use", responses=problems(401, 403, 404, 422))
async def uses(
    request: Request, seal_id: ObjectId, before: Annotated[int | None, Query(ge=1, le=2**53)] = None
) -> SealUseList:
    """Return who sealed what and when, newest first."""
    found = await services_of(request).seals.uses(principal_of(request), seal_id, before=before)
    return SealUseList(uses=[_use(line) for line in found])


@router.post(
    "/api/v1/sealed-documents",
    status_code=201,
    summary="Seal a document",
    responses=problems(400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def seal(
    request: Request,
    document: DocumentFile,
    seal_id: SealIdField,
    placement: PlacementField = "",
    matter_code: MatterField = None,
    level: LevelField = BaselineLevel.B_T,
) -> SealedAnswer:
    """Apply the organisation's seal (PAdES); every use is recorded for good."""
    order = SealRequest(
        seal_id=seal_id,
        document=await document.read(),
        placement=placement_from(placement),
        matter_code=matter_code,
        level=level,
    )
    return SealedAnswer.of(await services_of(request).sealing.seal(principal_of(request), order))


@router.get(
    "/api/v1/sealed-documents/{document_id}",
    summary="A sealed document",
    response_class=Response,
    responses=binary("application/pdf", "The document with its seal.") | problems(401, 403, 404, 422),
)
async def document(request: Request, document_id: ObjectId) -> Response:
    """Return a sealed document to the organisation whose seal it carries."""
    data = await services_of(request).sealing.document(principal_of(request), document_id)
    return Response(data, media_type="application/pdf", headers={"cache-control": "no-store"})


def placement_from(unverified: str) -> Placement:
    """Return the placement of a form's field; raises RequestValidationError naming the member."""
    if not unverified:
        return Invisible()
    try:
        return PLACE.validate_python(parse_json(unverified.encode())).to_domain()
    except ValidationError as error:
        found = [{**item, "loc": ("body", "placement", *item["loc"])} for item in error.errors(include_url=False)]
        raise RequestValidationError(found) from error
    except ValueError as error:
        rule = {"type": "value_error", "loc": ("body", "placement"), "msg": "The placement must be a JSON object."}
        raise RequestValidationError([rule]) from error


def _use(line: SealUse) -> SealUseAnswer:
    return SealUseAnswer(
        use_number=line.use_number,
        used_by=line.used_by,
        used_at=line.used_at,
        document_sha256=line.document_digest.hex(),
        sealed_sha256=line.sealed_digest.hex(),
        matter_code=line.matter_code,
        level=line.level,
        second_factor_method=line.second_factor_method,
    )
