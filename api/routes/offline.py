"""What offline verifiers fetch: status lists and the offline pack."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from api.context import services_of
from api.schemas.common import binary, problems
from api.strict import StrictRoute
from foundation.errors import NotFound

router = APIRouter(route_class=StrictRoute, tags=["trust"])

CWT, JWT = "application/statuslist+cwt", "application/statuslist+jwt"
PACK_SECONDS = 60


@router.get(
    "/status-lists/{number}",
    summary="Token Status List",
    response_class=Response,
    responses=binary(JWT, "Signed list as JWT; as CWT when asked for by Accept.") | problems(404, 422, 503),
)
async def status_list(request: Request, number: Annotated[int, Path(ge=0, le=2**31)]) -> Response:
    """Return a list as last published, cacheable for a few seconds."""
    as_cwt = CWT in request.headers.get("accept", "")
    found = await services_of(request).verification_parts.statuses.published(number, as_cwt=as_cwt)
    headers = {
        "etag": found.etag,
        "cache-control": f"public, max-age={found.max_age_seconds}",
        "vary": "accept",
        "access-control-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
    }
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)


@router.get(
    "/api/v1/offline-pack",
    summary="Everything an offline verifier needs",
    response_class=Response,
    responses=binary("application/zip", "Signed trust list, catalogue and status lists.")
    | problems(404, 422, 429, 503),
)
async def offline_pack(request: Request) -> Response:
    """Return a pack of the last seconds, for `hufu verify --pack` and the offline page."""
    packs = services_of(request).verification_parts.packs
    if packs is None:
        raise NotFound("This service builds no offline packs.")
    headers = {
        "cache-control": f"public, max-age={PACK_SECONDS}",
        "content-disposition": 'attachment; filename="hufu.hufupack"',
    }
    return Response(await packs.latest(), media_type="application/zip", headers=headers)


@router.get(
    "/api/v1/trust-list",
    summary="This city's trust list, signed",
    response_class=Response,
    responses=binary("application/jwt", "Anchors, keys, catalogue and status locations.")
    | problems(404, 422, 429, 503),
)
async def trust_list(request: Request) -> Response:
    """Return what another city imports to verify this one's licences."""
    cities = services_of(request).verification_parts.cities
    if cities is None:
        raise NotFound("This service publishes no trust list.")
    document = await cities.own_list()
    headers = {"cache-control": f"public, max-age={PACK_SECONDS}"}
    return Response(document, media_type="application/jwt", headers=headers)
