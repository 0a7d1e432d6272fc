"""The offline verify page: an installable app that judges codes on the device."""

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from api.web.i18n import N_
from api.web.pages.public import ADVICE, ADVICE_OF_SLIP
from api.web.reading import reading_page
from api.web.rendering import STATIC, say
from verification.model import Reason, Verdict
from verification.offline import CHECK_STANDARDS, PASSED_CHECKS
from verification.packs import LeftOut

router = APIRouter(include_in_schema=False)

NAME = N_("虎符离线核验")
LONG_TERM = N_("长期")
SHORT_SECONDS = 300


@router.get("/v/offline")
async def offline(request: Request) -> Response:
    """Return the page; it holds nothing of a session, so that a device may keep it."""
    passed = {check.name: check.detail for check in PASSED_CHECKS}
    checks = [(name, standard, passed.get(name)) for name, standard in CHECK_STANDARDS.items()]
    slips = {Reason.CODE_MALFORMED: ADVICE_OF_SLIP[Reason.CODE_MALFORMED]}
    advice = {"advice": ADVICE, "slips": slips}
    shown = {"verdicts": list(Verdict), "reasons": [*Reason, *LeftOut], "checks": checks, **advice}
    response = await reading_page(request, "offline.html", shown)
    response.headers["cache-control"] = "no-cache"
    return response


@router.get("/v/worker.js")
async def worker() -> Response:
    """Return the service worker; its scope is the verify page too, to which codes lead."""
    headers = {"cache-control": "no-cache", "service-worker-allowed": "/v"}
    return FileResponse(STATIC / "offline" / "worker.js", media_type="text/javascript", headers=headers)


@router.get("/v/app.webmanifest")
async def manifest(request: Request) -> Response:
    """Return what a phone needs to install the page."""
    name = say(request, NAME)
    body = {
        "name": name,
        "short_name": name,
        "start_url": "/v/offline",
        "scope": "/v",
        "display": "standalone",
        "background_color": "#faf8f4",
        "theme_color": "#b3261e",
        "icons": [{"src": "/static/mark.svg", "sizes": "any", "type": "image/svg+xml"}],
    }
    headers = {"cache-control": f"public, max-age={SHORT_SECONDS}", "vary": "cookie"}
    return Response(orjson.dumps(body), media_type="application/manifest+json", headers=headers)
