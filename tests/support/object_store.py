"""A small server that speaks the part of the S3 protocol that blobs use, and fails on request."""

from __future__ import annotations

import hashlib
import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.support.loopback import LoopbackServer

BUCKET = "files"
_MODIFIED = "2026-03-02T09:30:00.000Z"


class ObjectStoreServer(LoopbackServer):
    """One bucket in memory, path style, on loopback."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.failing = False
        self.signed = True
        super().__init__(_handler(self))

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that lead a client here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test secret",
            "AWS_REGION": "local",
            "AWS_ALLOW_HTTP": "true",
        }

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Do what a request asks."""
        parts = urlsplit(target)
        if self.failing:
            return 503, b"<Error><Code>SlowDown</Code></Error>"
        key = unquote(parts.path).removeprefix(f"/{BUCKET}").lstrip("/")
        if method == "POST":
            return 200, self._delete_many(body.decode())
        if not key:
            return 200, self._listing(parse_qs(parts.query).get("prefix", [""])[0])
        if method == "PUT":
            self.objects[key] = body
            return 200, b""
        if key not in self.objects:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>"
        return 200, self.objects[key]

    def _delete_many(self, order: str) -> bytes:
        keys = re.findall(r"<Key>([^<]+)</Key>", order)
        for key in keys:
            self.objects.pop(key, None)
        done = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        return f'<?xml version="1.0"?><DeleteResult>{done}</DeleteResult>'.encode()

    def _listing(self, prefix: str) -> bytes:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_MODIFIED}</LastModified>"
            f"<ETag>&quot;{hashlib.sha256(data).hexdigest()}&quot;</ETag><Size>{len(data)}</Size></Contents>"
            for key, data in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        count = entries.count("<Contents>")
        return (
            f'<?xml version="1.0"?><ListBucketResult><Name>{BUCKET}</Name><KeyCount>{count}</KeyCount>'
            f"<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        ).encode()


def _handler(store: ObjectStoreServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            store.signed = store.signed and "AWS4-HMAC-SHA256" in self.headers.get("Authorization", "")
            status, answer = store.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("ETag", f'"{hashlib.sha256(answer).hexdigest()}"')
            self.send_header("Last-Modified", "Mon, 02 Mar 2026 09:30:00 GMT")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        do_GET = do_PUT = do_POST = do_HEAD = _serve  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
