"""An HTTP client that costs the machine almost nothing: what is measured beside it keeps the cores.

Enough of HTTP/1.1 and of cookies for the services measured here; nothing of it is meant for strangers.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case, of a repeated header the last counts."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.content.decode()

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the body parsed."""
        return json.loads(self.content)


class Connection:
    """One connection, opened when it is first used and kept."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> tuple[list[bytes], bytes]:
        """Send a whole request; return the lines of the answer's head and its body."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
        named = head.lower()
        if b"\r\ntransfer-encoding: chunked" in named:
            return head.split(b"\r\n"), await _chunks(reader)
        length = named.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        return head.split(b"\r\n"), await reader.readexactly(int(length or 0))

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


@dataclass(slots=True)
class CheapHttp:
    """Talks to one origin over as many connections as are needed at a time, with one cookie jar."""

    base_url: str
    cookies: dict[tuple[str, str], str] = field(default_factory=dict)
    """Values by path and name."""
    _idle: deque[Connection] = field(default_factory=deque)

    async def get(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask by GET; an absolute address must lie in our origin."""
        query = f"?{urlencode(params)}" if params else ""
        return await self._ask("GET", url + query, b"", headers or {})

    async def post(self, url: str, *, data: Mapping[str, str], auth: tuple[str, str] | None = None) -> Answer:
        """Post a form, with a client's credentials when there are any."""
        headers = {"content-type": FORM}
        if auth is not None:
            headers["authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
        return await self._ask("POST", url, urlencode(data).encode(), headers)

    async def _ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        origin = urlsplit(self.base_url)
        target = url.removeprefix(self.base_url)
        lines = [f"{method} {target} HTTP/1.1", f"host: {origin.netloc}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        path = target.partition("?")[0]
        kept = [f"{name}={value}" for (below, name), value in self.cookies.items() if path.startswith(below)]
        lines += [f"cookie: {'; '.join(kept)}"] if kept else []
        connection = self._idle.popleft() if self._idle else Connection(origin.hostname or "", origin.port or 80)
        head, content = await connection.exchange("\r\n".join([*lines, "", ""]).encode() + body)
        self._idle.append(connection)
        found: dict[str, str] = {}
        for line in head[1:]:
            name, _, value = line.decode("latin-1").partition(":")
            found[name.lower()] = value.strip()
            if name.lower() == "set-cookie":
                self._keep(value.strip())
        return Answer(int(head[0].split()[1]), found, content)

    def _keep(self, cookie: str) -> None:
        pair, *attributes = (part.strip() for part in cookie.split(";"))
        name, _, value = pair.partition("=")
        paths = [part[5:] for part in attributes if part.lower().startswith("path=")]
        place = (paths[0] if paths else "/", name)
        if value:
            self.cookies[place] = value
        else:
            self.cookies.pop(place, None)

    def close(self) -> None:
        """Hang up."""
        while self._idle:
            self._idle.pop().close()
