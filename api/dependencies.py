"""Who is calling: bearer tokens for the JSON API, sessions for pages, limits for everybody else."""

from __future__ import annotations

import logging
import time

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation of a dependency

from api.access import ACCESS, Way
from api.context import services_of, source_of
from foundation.errors import NotAuthenticated, NotPermitted, ServiceUnavailable, TooManyRequests
from foundation.principal import ANONYMOUS, Principal

LOGGER = logging.getLogger("hufu.api")
WINDOW_SECONDS = 60


async def guard(request: Request) -> None:
    """Apply the route's row of the access table; runs before every JSON handler."""
    access = ACCESS[request.method, request.scope["route"].path]
    if access.way is Way.BEARER or (access.way is Way.EITHER and "authorization" in request.headers):
        request.state.principal = await bearer_principal(request, access.scope, access.act)
        return
    request.state.principal = ANONYMOUS
    if access.per_minute:
        await limit_source(request, access.per_minute)


def principal_of(request: Request) -> Principal:
    """Return who `guard` found to be calling."""
    principal = request.state.principal
    assert isinstance(principal, Principal)  # noqa: S101 - a route without guard is a bug of ours
    return principal


async def bearer_principal(request: Request, scope: str, act: str = "") -> Principal:
    """Authenticate the access token and require a scope, or the one act it is bound to; cookies are not looked at.

    Raises: NotAuthenticated, NotPermitted.
    """
    from api.routes.oauth import sender_proof  # noqa: PLC0415 - the route modules import this one

    values = request.headers.getlist("authorization")
    if len(values) != 1:
        raise NotAuthenticated("An access token is needed: Authorization: Bearer …")
    kind, _, token = values[0].partition(" ")
    if kind.lower() not in {"bearer", "dpop"} or not token.strip():
        raise NotAuthenticated("The Authorization header must hold a Bearer or DPoP access token.")
    tokens = services_of(request).access_tokens
    principal = await tokens.authenticate(token.strip(), audience=tokens.api_audience, proof=sender_proof(request))
    if principal.authorization is not None:
        if principal.authorization["type"] != act:
            raise NotPermitted("The access token is bound to another act.")
        return principal
    if scope not in principal.scopes:
        needed = f"lacks the scope {scope}" if scope else "is not bound to an act a person allowed"
        raise NotPermitted(f"The access token {needed}.")
    return principal


async def limit_source(request: Request, per_minute: int, what: str = "") -> None:
    """Count one request of this source on this route, or one of what it brings; raises TooManyRequests.

    NOTE: verification must go on while Redis is away, so the count then falls back to
    this process alone.
    """
    name = f"public:{request.scope['route'].path}{what}:{source_of(request)}"
    try:
        count = await services_of(request).cache.count(name, window_seconds=WINDOW_SECONDS)
    except ServiceUnavailable:
        count = _LOCAL.count(name)
    if count > per_minute:
        raise TooManyRequests("Too many requests from this address; wait a minute.", retry_after_seconds=WINDOW_SECONDS)


class _LocalCounter:
    """Counts within one window in this process; forgets everything when the window turns."""

    def __init__(self) -> None:
        self._window = 0
        self._counts: dict[str, int] = {}

    def count(self, name: str) -> int:
        window = int(time.monotonic() // WINDOW_SECONDS)
        if window != self._window:
            self._window, self._counts = window, {}
        self._counts[name] = self._counts.get(name, 0) + 1
        return self._counts[name]


_LOCAL = _LocalCounter()


async def session_principal(request: Request) -> Principal | None:
    """Return the principal of the browser's session, or None; used by pages and /oauth/authorize."""
    from api.web.sessions import current  # noqa: PLC0415 - pages build on this module

    session = await current(request)
    return None if session is None else session.principal()
