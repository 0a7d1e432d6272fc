"""Seals over digests: the document stays with the department system."""

from fastapi import APIRouter, Request

from api.context import services_of
from api.dependencies import principal_of
from api.schemas.common import problems
from api.schemas.sealed_digests import SealDigest, SealedDigest
from api.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["seals"])


@router.post(
    "/api/v1/sealed-digests",
    status_code=201,
    summary="Seal a digest",
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def seal_digest(request: Request, body: SealDigest) -> SealedDigest:
    """Apply the organisation's seal to a digest (detached CMS); every call is a use on record.

    The signed attributes are made here, so the key never signs a value somebody else chose.
    """
    return SealedDigest.of(await services_of(request).sealing.seal_digest(principal_of(request), body.to_domain()))
