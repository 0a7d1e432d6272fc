"""The reader of codes that pages load: WebAssembly of our own origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.middleware import CONTENT_SECURITY_POLICY
from api.web.rendering import STATIC, page

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from starlette.requests import Request
    from starlette.responses import Response

READER = "offline/reader/node_modules/zxing-wasm/dist/"
POLICY = CONTENT_SECURITY_POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
"""No page but those that read codes may run any WebAssembly."""


async def reading_page(
    request: Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> Response:
    """Render a page that reads codes; `reader` is where their reader is served, empty where it was not installed."""
    installed = (STATIC / READER / "reader" / "zxing_reader.wasm").exists()
    reader = f"/static/{READER}" if installed else ""
    response = await page(request, template, {"reader": reader, **(context or {})}, status=status)
    response.headers["content-security-policy"] = POLICY
    return response
