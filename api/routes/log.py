"""The transparency log over HTTP (C2SP tlog-tiles): checkpoint, tiles, proofs."""

import base64
import re
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import Field

from api.context import services_of
from api.schemas.common import Answer, binary, problems
from api.strict import StrictRoute
from foundation.errors import NotFound
from verification.log.merkle import TILE_WIDTH

router = APIRouter(route_class=StrictRoute, tags=["log"])

TILE = re.compile(r"(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,4}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
FOR_GOOD = "public, max-age=31536000, immutable"
OPEN = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
Count = Annotated[int, Query(ge=1, le=2**53)]


class InclusionAnswer(Answer):
    """Shows that an audit row's commitment stands in the tree of a checkpoint."""

    leaf_index: int
    tree_size: int
    hashes: Annotated[list[str], Field(description="SHA-256, base64, leaf first.")]
    checkpoint: str


class ConsistencyAnswer(Answer):
    """Shows that a tree is the continuation of an earlier one."""

    old: int
    new: int
    hashes: Annotated[list[str], Field(description="SHA-256, base64.")]


@router.get(
    "/log/checkpoint",
    summary="Newest signed checkpoint",
    response_class=PlainTextResponse,
    responses=problems(404, 422, 503),
)
async def checkpoint(request: Request) -> Response:
    """Return the signed note: origin, size, root."""
    stored = await services_of(request).verification_parts.log.checkpoint()
    return PlainTextResponse(stored.note, headers={"cache-control": "public, max-age=5", **OPEN})


@router.get(
    "/log/key",
    summary="The key checkpoints are signed with",
    response_class=PlainTextResponse,
    responses=problems(404, 422, 503),
)
async def key(request: Request) -> Response:
    """Return the verifier key of the signed note."""
    found = await services_of(request).verification_parts.log.verifier_key()
    return PlainTextResponse(found.text, headers={"cache-control": "public, max-age=300", **OPEN})


@router.get(
    "/log/tile/{tile:path}",
    summary="A tile or an entry bundle",
    response_class=Response,
    responses=binary("application/octet-stream", "Hashes of a tile, or its entries.") | problems(404, 422, 429, 503),
)
async def tile(request: Request, tile: Annotated[str, Path(max_length=60)]) -> Response:
    """Return `LEVEL/NUMBER`, `entries/NUMBER`, or the first `.p/WIDTH` of one; a full one never changes."""
    match = TILE.fullmatch(tile)
    if match is None:
        raise NotFound("There is no such tile.")
    level, number, partial = match.groups()
    index = int(number.replace("/", "").replace("x", ""))
    width = int(partial) if partial else TILE_WIDTH
    if width > TILE_WIDTH:
        raise NotFound("There is no such tile.")
    log = services_of(request).verification_parts.log
    data = await log.entries(index, width) if level == "entries" else await log.tile(int(level), index, width)
    headers = {"cache-control": FOR_GOOD, **OPEN}
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.get(
    "/api/v1/log/proofs/{audit_number}", summary="Inclusion of one audit row", responses=problems(404, 422, 429, 503)
)
async def proof(request: Request, audit_number: Annotated[int, Path(ge=1, le=2**53)]) -> InclusionAnswer:
    """Return the proof a receipt points to, once the row is sequenced."""
    found = await services_of(request).verification_parts.log.inclusion(audit_number)
    return InclusionAnswer(
        leaf_index=found.leaf_index,
        tree_size=found.tree_size,
        hashes=list(found.hashes_b64),
        checkpoint=found.checkpoint,
    )


@router.get("/api/v1/log/consistency", summary="One tree continues another", responses=problems(404, 422, 429, 503))
async def consistency(request: Request, old: Count, new: Count) -> ConsistencyAnswer:
    """Return the proof that the tree of size `new` begins with the tree of size `old`."""
    hashes = await services_of(request).verification_parts.log.consistency(old, new)
    return ConsistencyAnswer(old=old, new=new, hashes=[base64.b64encode(item).decode() for item in hashes])
