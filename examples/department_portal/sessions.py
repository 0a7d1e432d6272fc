"""Sessions kept on the server: the browser holds a random number and nothing about a person."""

from __future__ import annotations

import secrets
import time
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "portal-session"
IDLE_SECONDS = 1800
MOST = 10_000


class Sessions:
    """ASGI middleware that gives each browser `request.session`, where Authlib keeps state and nonce."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        key = self._key(scope)
        scope["session"] = session = self._kept.get(key, (0.0, {}))[1]

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._keep(key, session, message)
            await send(message)

        await self._app(scope, receive, send_with_cookie)

    def _key(self, scope: Scope) -> str:
        header = next((value for name, value in scope["headers"] if name == b"cookie"), b"")
        morsel = SimpleCookie(header.decode("latin-1")).get(COOKIE)
        known = morsel is not None and morsel.value in self._kept
        if known and morsel is not None and self._kept[morsel.value][0] > time.monotonic():
            return morsel.value
        return secrets.token_urlsafe(32)

    def _keep(self, key: str, session: dict[str, Any], message: Message) -> None:
        """Store the session under its number; a changed sign-in gets a new one (no fixation)."""
        if not session:
            self._kept.pop(key, None)
            return
        if session.pop("renew", False):
            self._kept.pop(key, None)
            key = secrets.token_urlsafe(32)
        if len(self._kept) >= MOST:
            now = time.monotonic()
            self._kept = {name: kept for name, kept in self._kept.items() if kept[0] > now}
        self._kept[key] = (time.monotonic() + IDLE_SECONDS, session)
        MutableHeaders(scope=message).append("set-cookie", f"{COOKIE}={key}; Path=/; HttpOnly; SameSite=Lax")
