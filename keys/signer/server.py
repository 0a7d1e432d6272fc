"""The signer process: a local socket, the peer's user checked, and only named operations."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import struct
from typing import TYPE_CHECKING, Any

from foundation.errors import InvalidInput, NotPermitted, TrustServiceError
from keys.errors import ProviderUnavailable
from keys.signer.wire import MAX_CALL_BYTES, OPERATIONS, BadFrame, FrameReader, frame, pack_error

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from keys.signer.port import Signer

MAX_IN_FLIGHT = 256
"""Calls of one connection worked on at once; more wait in the socket."""

_log = logging.getLogger(__name__)


def peer_uid(connection: socket.socket) -> int:
    """Return the user at the other end, as the kernel knows it."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: SignerServer) -> None:
        self._server = server
        self._reader = FrameReader(MAX_CALL_BYTES)
        self._transport: asyncio.Transport | None = None
        self._administrative = False
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream server hands a Transport
        uid = peer_uid(transport.get_extra_info("socket"))
        if uid not in self._server.allowed_uids:
            _log.warning("the signer refused a connection of another user")
            transport.close()
            self._transport = None
            return
        self._administrative = uid == os.geteuid()
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        try:
            calls = self._reader.feed(data)
        except BadFrame:
            _log.warning("the signer closed a connection that does not speak its protocol")
            self._transport.close()
            return
        for call in calls:
            task = asyncio.get_running_loop().create_task(self._answer(call))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if len(self._tasks) >= MAX_IN_FLIGHT:
            self._transport.pause_reading()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._transport is not None and len(self._tasks) < MAX_IN_FLIGHT and not self._transport.is_closing():
            self._transport.resume_reading()

    async def _answer(self, call: list[Any]) -> None:
        try:
            answer = frame(
                [call[0], 0, await self._server.perform(call[1], call[2], administrative=self._administrative)]
            )
        except TrustServiceError as error:
            answer = pack_error(call[0], error)
        except Exception:  # noqa: BLE001 - one call's fault must neither go unanswered nor show the signer's inside
            _log.exception("a call failed in the signer")
            answer = pack_error(call[0], ProviderUnavailable("The signer failed."))
        if self._transport is not None:
            self._transport.write(answer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def drain(self) -> None:
        """Finish what was begun."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


class SignerServer:
    """Serves one signer on one socket."""

    def __init__(self, signer: Signer, path: Path, *, allowed_uids: frozenset[int] | None = None) -> None:
        """Let in processes of these users; by default of our own alone."""
        self._signer = signer
        self._path = path
        self._server: asyncio.Server | None = None
        self.allowed_uids = (allowed_uids or frozenset()) | {os.geteuid()}
        self.connections: set[_Connection] = set()

    async def start(self) -> None:
        """Listen; a socket left by a process that died is taken over. Raises ProviderUnavailable, KeystoreLocked.

        A start that fails leaves neither keys nor a token session open behind it.
        """
        try:
            await self._listen()
        except BaseException:
            await self.close()
            raise

    async def _listen(self) -> None:
        await self._signer.load()
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        await self._clear()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), str(self._path), backlog=512)
        # The kernel tells who connects, so the file's own mode may let the clients' group in.
        self._path.chmod(0o666 if len(self.allowed_uids) > 1 else 0o600)

    async def _clear(self) -> None:
        try:
            if not stat.S_ISSOCK(self._path.stat().st_mode):
                raise ProviderUnavailable(f"{self._path} is there and is no socket.")
        except FileNotFoundError:
            return
        try:
            _, writer = await asyncio.open_unix_connection(str(self._path))
        except (ConnectionRefusedError, FileNotFoundError):
            self._path.unlink(missing_ok=True)
            return
        writer.close()
        raise ProviderUnavailable(f"Another signer answers at {self._path}.")

    async def perform(self, name: object, arguments: object, *, administrative: bool) -> object:
        """Run one named operation over checked arguments."""
        operation = OPERATIONS.get(name) if isinstance(name, str) else None
        if operation is None or not isinstance(arguments, list) or len(arguments) != len(operation.arguments):
            raise InvalidInput("The signer knows no such operation.")
        values = [codec.unpack(part) for codec, part in zip(operation.arguments, arguments, strict=True)]
        if not administrative and operation.administrative(values):
            raise NotPermitted("This is done at the signer's machine, by its own user.")
        if name == "ping":
            return None
        method: Callable[..., Coroutine[Any, Any, object]] = getattr(self._signer, str(name))
        return operation.result.pack(await method(*values))

    async def close(self) -> None:
        """Take no more calls, finish those begun, drop the keys."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for connection in tuple(self.connections):
            await connection.drain()
            connection.close()
        await self._signer.close()
