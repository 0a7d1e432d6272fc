"""Plain ASGI middleware: request id and log, security headers, body limits.

`BaseHTTPMiddleware` costs a task and two queues a request; these cost a closure each.
"""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request

from foundation.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.metrics import Metrics

ACCESS_LOG = logging.getLogger("hufu.access")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

JSON_LIMIT_BYTES = 1024 * 1024
UPLOAD_LIMIT_BYTES = 50 * 1024 * 1024
FORM_OVERHEAD_BYTES = 64 * 1024
_UPLOADS = "sealed-documents|prepared-sealings|sealing-batches|verifications/pdf|verification-batches"
UPLOAD_PATHS = re.compile(rf"^(/api/v1/({_UPLOADS})|/v|/desk)(/|$)")
SMALL_PATHS = re.compile(r"^/(oauth|ocsp|tsa)(/|$)")
SMALL_LIMIT_BYTES = 64 * 1024

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
}
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"


class Observe:
    """Gives the request an id, measures it, and logs one line without a path's values."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["hufu.request_id"] = new_id("req")
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        self._metrics.begin()
        began = time.perf_counter()
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            self._finish(scope, status, seconds)

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        unmatched = "/static" if scope["path"].startswith("/static/") else "unmatched"
        route = getattr(scope.get("route"), "path", unmatched)
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._metrics.end(method, route, status, seconds)
        ACCESS_LOG.info(
            "request",
            extra={
                "request_id": scope["hufu.request_id"],
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
            },
        )


class SecurityHeaders:
    """Adds the headers every answer carries; a handler may set a header of its own first."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        headers = HEADERS | ({"strict-transport-security": STRICT_TRANSPORT} if https else {})
        self._headers = tuple((name.encode(), value.encode()) for name, value in headers.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                named = {name.lower() for name, _ in own}
                message["headers"] = own + [header for header in self._headers if header[0] not in named]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class LastResort:
    """Answers an exception nobody foresaw inside our own headers and log, and lets it go no further.

    NOTE: Starlette would answer outside every middleware and raise again, and the server
    would print the exception's text, which may hold what a person typed.
    """

    def __init__(self, app: ASGIApp, answer: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:  # noqa: BLE001 - this is the last place an exception can be answered
            response = await self._answer(Request(scope, receive), error)
            if not started:
                await response(scope, receive, send)


class BodyTooLarge(HTTPException):
    """The body is longer than the path allows."""

    def __init__(self) -> None:
        super().__init__(413)


def limit_for(path: str) -> int:
    """Return how many body bytes a path takes."""
    if UPLOAD_PATHS.match(path):
        return UPLOAD_LIMIT_BYTES + FORM_OVERHEAD_BYTES
    return SMALL_LIMIT_BYTES if SMALL_PATHS.match(path) else JSON_LIMIT_BYTES


class BodyLimit:
    """Stops reading a body that is longer than its path takes, whatever Content-Length says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = limit_for(scope["path"])
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        too_long = announced.isdigit() and int(announced) > limit
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            if too_long:
                raise BodyTooLarge
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise BodyTooLarge
            return message

        await self._app(scope, receive_limited, send)
