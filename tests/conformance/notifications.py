"""A CIBA client's notification endpoint over real HTTP, answering as a module wants."""

from __future__ import annotations

from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from tests.support.loopback import LoopbackServer


@dataclass(frozen=True)
class Notification:
    """One request as it arrived."""

    path: str
    authorization: str
    content: bytes


class Notifications(LoopbackServer):
    """Keeps what it was told; every path is answered alike."""

    def __init__(self) -> None:
        self.told: list[Notification] = []
        self.status = 204
        self.content = b""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                endpoint.told.append(Notification(self.path, self.headers.get("authorization", ""), content))
                self.send_response(endpoint.status)
                self.send_header("location", f"{endpoint.url}/elsewhere")
                self.send_header("content-length", str(len(endpoint.content)))
                self.end_headers()
                self.wfile.write(endpoint.content)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)
        self.address = f"{self.url}/ping"

    def clear(self) -> None:
        """Forget what was told and answer as a well-behaved client does."""
        self.told.clear()
        self.answer(204)

    def answer(self, status: int, content: bytes = b"") -> None:
        """Answer so from now on."""
        self.status, self.content = status, content
