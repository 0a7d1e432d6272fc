"""The ASGI application over ready-made services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.staticfiles import StaticFiles

from api import problems
from api.access import rows_missing
from api.dependencies import guard
from api.metrics import Metrics
from api.middleware import BodyLimit, LastResort, Observe, SecurityHeaders
from api.routes import (
    batches,
    confirmations,
    health,
    licences,
    log,
    oauth,
    offline,
    pki,
    prepared_sealings,
    presentations,
    sealed_digests,
    sealing_batches,
    seals,
    shows,
    verification,
)
from api.routes import witness as witness_routes
from api.thin import Direct
from api.web.guard import page_guard
from api.web.pages import (
    account,
    acting,
    applications,
    certificate,
    citizen,
    consent,
    copies,
    counter,
    department,
    desk,
    desk_mandate,
    desk_records,
    issue,
    mandate_use,
    mandates,
    mobile,
    officers,
    operate,
    operate_people,
    own,
    post,
    provider,
    public,
    qr,
    real_name,
    recover,
    seal_grants,
    seal_keeping,
    security,
    sign_in,
    upstream,
)
from api.web.pages import batches as batch_pages
from api.web.pages import log as log_pages
from api.web.pages import offline as offline_pages
from api.web.pages import presentations as presentation_pages
from api.web.pages import shows as show_pages
from api.web.rendering import STATIC, catalogue_ready

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.responses import Response
    from starlette.types import Scope

    from api.services import Services

TITLE = "Hufu 虎符"
VERSION = "0.1.0"


class RouteWithoutAccess(Exception):
    """A route has no row in the access table; the message names each."""


def json_routers() -> list[APIRouter]:
    """Return the JSON routers, hottest paths first (Starlette matches in order)."""
    return [
        verification.hot_router,
        verification.router,
        batches.router,
        licences.router,
        licences.catalogue_router,
        seals.router,
        sealed_digests.router,
        prepared_sealings.router,
        sealing_batches.router,
        shows.router,
        presentations.router,
        confirmations.router,
        pki.router,
        offline.router,
        log.router,
        witness_routes.router,
        health.router,
    ]


def page_routers() -> list[APIRouter]:
    """Return the routers of the pages."""
    pages = (
        public,
        log_pages,
        offline_pages,
        account,
        certificate,
        sign_in,
        qr,
        recover,
        citizen,
        copies,
        real_name,
        seal_grants,
        seal_keeping,
        security,
        mobile,
        own,
        mandates,
        mandate_use,
        acting,
        counter,
        show_pages,
        consent,
        provider,
        applications,
        upstream,
        department,
        operate,
        operate_people,
        officers,
        post,
        desk,
        desk_mandate,
        issue,
        desk_records,
        batch_pages,
        presentation_pages,
    )
    return [module.router for module in pages]


class CachedFiles(StaticFiles):
    """Static files whose address carries a digest of their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file that need not be asked for again."""
        response = await super().get_response(path, scope)
        if scope["query_string"].startswith(b"v="):
            response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def build(*, https: bool = False) -> FastAPI:
    """Return the application without services: enough for `openapi.yaml` and for looking at routes."""
    # `Observe` counts and logs; what FastAPI would collect besides, nobody reads.
    off = TelemetryConfig(tracing=False, metrics=False, logs=False)
    app = FastAPI(title=TITLE, version=VERSION, docs_url=None, redoc_url=None, openapi_url=None, telemetry=off)
    app.state.metrics = Metrics()
    app.include_router(oauth.router)
    for router in json_routers():
        app.include_router(router, dependencies=[Depends(guard)])
    for router in page_routers():
        app.include_router(router, dependencies=[Depends(page_guard)])
    app.mount("/static", CachedFiles(directory=STATIC), name="static")
    missing = rows_missing(app.routes)
    if missing:
        raise RouteWithoutAccess("; ".join(missing))
    problems.install(app)
    app.add_middleware(Direct, routers=[oauth.router, *json_routers()], answer=problems.on_answered)
    app.add_middleware(BodyLimit)
    app.add_middleware(LastResort, answer=problems.on_unexpected)
    app.add_middleware(SecurityHeaders, https=https)
    app.add_middleware(Observe, metrics=app.state.metrics)
    return app


def create_app(services: Services) -> FastAPI:
    """Return the whole application; refuses to start while a route has no row in the access table."""
    app = build(https=services.settings.issuer.startswith("https://"))
    app.state.services = services
    catalogue_ready()
    return app
