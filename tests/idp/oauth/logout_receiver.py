"""A client's back-channel logout endpoint over real HTTP, failing on request."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

from tests.support.loopback import LoopbackServer


class LogoutReceiver(LoopbackServer):
    """Keeps the bodies it was sent."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.authorizations: list[str] = []
        self.refused = 0
        self._failures = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self.send_response(receiver.take(body, self.headers.get("authorization", "")))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)
        self.address = f"{self.url}/logout"

    def fail_next(self, count: int) -> None:
        self._failures = count

    def take(self, body: str, authorization: str) -> int:
        if self._failures:
            self._failures -= 1
            self.refused += 1
            return 503
        self.bodies.append(body)
        self.authorizations.append(authorization)
        return 200
