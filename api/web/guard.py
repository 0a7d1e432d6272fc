"""Who may open a page; the page's row in the access table decides."""

from __future__ import annotations

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation of a dependency

from api.access import ACCESS, Way
from api.dependencies import limit_source
from api.web import sessions


async def page_guard(request: Request) -> None:
    """Apply the route's row; runs before every page handler."""
    access = ACCESS[request.method, request.scope["route"].path]
    if access.way is Way.PAGE:
        request.state.principal = await sessions.require(request, access.actor)
    elif access.per_minute:
        await limit_source(request, access)
