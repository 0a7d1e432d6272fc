"""The ASGI application over ready-made services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from api import problems
from api.access import rows_missing
from api.dependencies import guard
from api.metrics import Metrics
from api.middleware import BodyLimit, Observe, SecurityHeaders
from api.routes import health, licences, pki, seals, verification

if TYPE_CHECKING:
    from fastapi import APIRouter

    from api.services import Services

TITLE = "Hufu 虎符"
VERSION = "0.1.0"


class RouteWithoutAccess(Exception):
    """A route has no row in the access table; the message names each."""


def json_routers() -> list[APIRouter]:
    """Return the JSON routers, hottest paths first (Starlette matches in order)."""
    return [verification.router, licences.router, licences.catalogue_router, seals.router, pki.router, health.router]


def build(*, https: bool = False) -> FastAPI:
    """Return the application without services: enough for `openapi.yaml` and for looking at routes."""
    app = FastAPI(title=TITLE, version=VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.metrics = Metrics()
    for router in json_routers():
        app.include_router(router, dependencies=[Depends(guard)])
    missing = rows_missing(app.routes)
    if missing:
        raise RouteWithoutAccess("; ".join(missing))
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders, https=https)
    app.add_middleware(Observe, metrics=app.state.metrics)
    return app


def create_app(services: Services) -> FastAPI:
    """Return the whole application; refuses to start while a route has no row in the access table."""
    app = build(https=services.settings.issuer.startswith("https://"))
    app.state.services = services
    return app
