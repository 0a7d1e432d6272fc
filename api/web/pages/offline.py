"""The offline verify page: an installable app that judges codes on the device."""

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from api.middleware import CONTENT_SECURITY_POLICY
from api.web.i18n import N_
from api.web.pages.public import ADVICE
from api.web.rendering import STATIC, page, say
from verification.model import Reason, Verdict

router = APIRouter(include_in_schema=False)

NAME = N_("虎符离线核验")
LONG_TERM = N_("长期")
SHORT_SECONDS = 300
READER = "offline/reader/node_modules/zxing-wasm/dist/"
POLICY = CONTENT_SECURITY_POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
"""The reader of codes is WebAssembly of our own origin; no other page may run any."""


def _reader() -> str:
    """Return where the reader of codes is served, empty where it was not installed."""
    return f"/static/{READER}" if (STATIC / READER / "reader" / "zxing_reader.wasm").exists() else ""


@router.get("/v/offline")
async def offline(request: Request) -> Response:
    """Return the page; it holds nothing of a session, so that a device may keep it."""
    shown = {"verdicts": list(Verdict), "reasons": list(Reason), "advice": ADVICE, "reader": _reader()}
    response = await page(request, "offline.html", shown)
    response.headers["cache-control"] = "no-cache"
    response.headers["content-security-policy"] = POLICY
    return response


@router.get("/v/worker.js")
async def worker() -> Response:
    """Return the service worker from where its scope begins."""
    return FileResponse(
        STATIC / "offline" / "worker.js", media_type="text/javascript", headers={"cache-control": "no-cache"}
    )


@router.get("/v/app.webmanifest")
async def manifest(request: Request) -> Response:
    """Return what a phone needs to install the page."""
    name = say(request, NAME)
    body = {
        "name": name,
        "short_name": name,
        "start_url": "/v/offline",
        "scope": "/v/",
        "display": "standalone",
        "background_color": "#faf8f4",
        "theme_color": "#b3261e",
        "icons": [{"src": "/static/mark.svg", "sizes": "any", "type": "image/svg+xml"}],
    }
    headers = {"cache-control": f"public, max-age={SHORT_SECONDS}", "vary": "cookie"}
    return Response(orjson.dumps(body), media_type="application/manifest+json", headers=headers)
