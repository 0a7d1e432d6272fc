"""Liveness, readiness, and what a problem type means."""

from functools import cache
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.problem_table import INTERNAL, PROBLEMS, Problem
from api.schemas.common import problems
from api.strict import StrictRoute
from foundation.errors import NotFound, ServiceUnavailable

router = APIRouter(route_class=StrictRoute, tags=["operation"])


@router.get("/healthz", summary="The process is alive")
async def healthz() -> dict[str, str]:
    """Answer as long as the event loop turns; asks nobody else."""
    return {"status": "ok"}


@router.get("/readyz", summary="The process can serve", responses={503: {"description": "A part is not reachable."}})
async def readyz(request: Request) -> Response:
    """Ask the database and the cache; 503 names the part that does not answer."""
    services = services_of(request)
    parts: dict[str, str] = {}
    for name, ping in (("database", services.database.ping), ("cache", services.cache.ping)):
        try:
            await ping()
            parts[name] = "ok"
        except ServiceUnavailable:
            parts[name] = "unreachable"
    ready = all(state == "ok" for state in parts.values())
    body = {"status": "ok" if ready else "unavailable", "parts": parts}
    return Response(orjson.dumps(body), 200 if ready else 503, media_type="application/json")


@router.get("/problems/{slug}", summary="What a problem type means", responses=problems(404, 422))
async def problem_type(slug: str) -> dict[str, Any]:
    """Describe one problem type of RFC 9457 answers."""
    rows: dict[str, Problem] = {row.slug: row for row in (*PROBLEMS.values(), INTERNAL)}
    if slug not in rows:
        raise NotFound("There is no such problem type.")
    row = rows[slug]
    classes = sorted(
        (known for known, mapped in PROBLEMS.items() if mapped.slug == slug), key=lambda known: known.__name__
    )
    meanings = [(known.__doc__ or "").strip().splitlines()[0] for known in classes]
    return {
        "type": f"/problems/{slug}",
        "status": row.status,
        "title": row.title,
        "title_en": row.title_en,
        "causes": meanings,
    }


@router.get("/openapi.json", summary="This description", include_in_schema=False)
async def description() -> Response:
    """Return `openapi.yaml` as JSON."""
    return Response(_description(), media_type="application/json", headers={"cache-control": "public, max-age=300"})


@cache
def _description() -> bytes:
    from api.openapi import document  # noqa: PLC0415 - it builds an application of its own

    return orjson.dumps(document())
