"""An SMS gateway to test against: real HTTP, signed, keeping what it was asked to send.

`python -m tests.support.sms_gateway --port 9800` runs it by itself; `GET /messages` then
shows the messages, which is how a developer reads a code without a phone.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.loopback import LoopbackServer

BODY_LIMIT = 16384


class SandboxSmsGateway(LoopbackServer):
    """Keeps messages by number; sends each id once; refuses when told to."""

    def __init__(self, key: bytes, *, port: int = 0) -> None:
        super().__init__(_handler(self), port)
        self.down = False
        self.messages: list[dict[str, Any]] = []
        self._key = key
        self._seen: set[str] = set()

    def code_for(self, mobile: str) -> str:
        """Return the latest code sent to a number."""
        return str(next(m["parameters"]["code"] for m in reversed(self.messages) if m["mobile"] == mobile))

    def accept(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Return the status of one request."""
        names = ("hufu-timestamp", "hufu-nonce")
        lines = ["POST", path, *(headers.get(name, "") for name in names), hashlib.sha256(body).hexdigest()]
        expected = base64.b64encode(hmac.new(self._key, "\n".join(lines).encode(), hashlib.sha256).digest()).decode()
        if self.down:
            return 503
        if not hmac.compare_digest(expected, headers.get("hufu-signature", "")):
            return 401
        message = json.loads(body)
        if message["message_id"] not in self._seen:
            self._seen.add(message["message_id"])
            self.messages.append(message)
        return 202


def _handler(gateway: SandboxSmsGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), BODY_LIMIT))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(gateway.accept(self.path, headers, body), b"{}")

        def do_GET(self) -> None:
            self._send(200, json.dumps(gateway.messages, ensure_ascii=False).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: requests carry numbers and codes."""

    return Handler


def main() -> None:
    """Run by itself."""
    parser = argparse.ArgumentParser(description="Sandbox SMS gateway that shows what it was asked to send.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default=os.environ.get("HUFU_SMS_GATEWAY_KEY", ""), help="base64, shared key")
    arguments = parser.parse_args()
    SandboxSmsGateway(base64.b64decode(arguments.key), port=arguments.port).serve_forever()


if __name__ == "__main__":
    main()
