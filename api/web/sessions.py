"""The browser's session, read once a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from api.context import services_of
from api.web import cookies
from foundation.errors import NotAuthenticated, NotPermitted
from foundation.principal import PrincipalKind

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

    from foundation.principal import Principal
    from idp.people.session import Session

MAX_SECRET_CHARS = 200
_READ = "hufu.session"


async def current(request: HTTPConnection) -> Session | None:
    """Return the open session of the browser's cookie, or None."""
    if _READ not in request.scope:
        secret = cookies.read(request, cookies.SESSION)
        usable = secret is not None and secret.isascii() and 0 < len(secret) <= MAX_SECRET_CHARS
        found = await services_of(request).sessions.resolve(secret) if usable and secret else None
        request.scope[_READ] = found
    return cast("Session | None", request.scope[_READ])


def forget(request: HTTPConnection) -> None:
    """Treat the browser as signed out for this request, while sessions cannot be read."""
    request.scope[_READ] = None


async def pending(request: HTTPConnection) -> Session | None:
    """Return the sign-in that still owes a second factor, or None."""
    secret = _waiting_secret(request)
    return await services_of(request).sessions.resolve_pending(secret) if secret else None


async def choosing(request: HTTPConnection) -> Session | None:
    """Return the sign-in of an officer who has yet to choose a post, or None."""
    secret = _waiting_secret(request)
    return await services_of(request).sessions.resolve_choosing(secret) if secret else None


def _waiting_secret(request: HTTPConnection) -> str | None:
    secret = cookies.read(request, cookies.PENDING)
    return secret if secret and secret.isascii() and len(secret) <= MAX_SECRET_CHARS else None


async def require(request: HTTPConnection, actor: str) -> Principal:
    """Return who is signed in; raises NotAuthenticated, or NotPermitted for the wrong sort of actor."""
    session = await current(request)
    if session is None:
        raise NotAuthenticated("Sign in first.")
    principal = session.principal()
    kinds = {"citizen": {PrincipalKind.PERSON, PrincipalKind.ENTERPRISE}, "officer": {PrincipalKind.OFFICER}}
    kinds["operator"] = {PrincipalKind.OPERATOR}
    if actor in kinds and principal.kind not in kinds[actor]:
        raise NotPermitted("This page is for another kind of account.")
    return principal


def keep(request: HTTPConnection, response: Response, session: Session) -> None:
    """Put the secrets a sign-in returned into cookies; an unfinished one gets a cookie of its own."""
    if session.secret:
        name, other = (cookies.PENDING, None) if session.unfinished else (cookies.SESSION, cookies.PENDING)
        cookies.put(request, response, name, session.secret)
        if other:
            cookies.drop(request, response, other)
    if session.device_secret:
        cookies.put(request, response, cookies.DEVICE, session.device_secret, max_age=cookies.DEVICE_SECONDS)
