"""The same request over many connections at once: barely a client, so that the servers are what is measured."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

ANSWER_SECONDS = 60


@dataclass(frozen=True)
class Call:
    """One request: a form to post, or without one a GET."""

    path: str
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] | None = None

    def encoded(self) -> bytes:
        body = b"" if self.form is None else urlencode(self.form).encode()
        lines = [f"{'GET' if self.form is None else 'POST'} {self.path} HTTP/1.1", "host: localhost"]
        lines += [f"{name}: {value}" for name, value in (self.headers or {}).items()]
        if self.form is not None:
            lines += ["content-type: application/x-www-form-urlencoded", f"content-length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def location(self) -> str:
        return self.headers["location"]


@dataclass(frozen=True)
class Connection:
    """One kept connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> Answer:
        self.writer.write(request)
        async with asyncio.timeout(ANSWER_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(head[0].split()[1]), headers, body)


@dataclass(frozen=True)
class Volley:
    """Connections to several processes, in turn."""

    connections: tuple[Connection, ...]

    async def fire(self, call: Call) -> list[Answer]:
        """Send the same request over every connection at once."""
        request = call.encoded()
        return await asyncio.gather(*(connection.ask(request) for connection in self.connections))

    async def one(self, call: Call, process: int = 0) -> Answer:
        """Send a request to one of the processes."""
        return await self.connections[process].ask(call.encoded())


@asynccontextmanager
async def volley(addresses: Sequence[str], count: int) -> AsyncIterator[Volley]:
    """Yield `count` connections, the first to the first process, the second to the second and so on."""
    made: list[Connection] = []
    try:
        for number in range(count):
            parts = urlsplit(addresses[number % len(addresses)])
            made.append(Connection(*await asyncio.open_connection(parts.hostname, parts.port)))
        yield Volley(tuple(made))
    finally:
        for connection in made:
            connection.writer.close()
            await connection.writer.wait_closed()
