"""The outbound client reaches what it may, within its limits, and nothing else."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from foundation import outbound
from foundation.errors import UpstreamUnavailable
from foundation.outbound import OutboundClient, OutboundRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = ("127.0.0.0/8",)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kind: demo\r\n\r\nhi"


@asynccontextmanager
async def server(answer: bytes, *, stall: bool = False) -> AsyncIterator[str]:
    """Answer every connection with fixed bytes on loopback."""
    served: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if stall:
            await asyncio.sleep(3)
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/x"
    await asyncio.gather(*filter(None, served), return_exceptions=True)


@asynccontextmanager
async def client(*networks: str) -> AsyncIterator[OutboundClient]:
    out = OutboundClient(networks)
    yield out
    await out.close()


async def test_a_listed_network_is_reached() -> None:
    async with server(OK) as url, client(*LOOPBACK) as out:
        response = await out.request("GET", url)
    assert (response.status, response.body, response.headers["x-kind"]) == (200, b"hi", "demo")


@pytest.mark.parametrize("plain_http", [True, False])
async def test_an_unlisted_private_network_is_refused(plain_http: bool) -> None:  # noqa: FBT001 - parameter of a test
    async with server(OK) as url, client() as out:
        with pytest.raises(OutboundRefused):
            await out.request("GET", url, plain_http=plain_http)


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://localhost/",
        "https://2130706433/",
        "http://127.0.0.1/é",
        "http://⒈.example/",
        "https://0x7f.1/",
    ],
)
async def test_inner_addresses_in_every_spelling_are_refused(address: str) -> None:
    async with client() as out:
        with pytest.raises(UpstreamUnavailable):
            await out.request("GET", address, plain_http=True, timeout_seconds=2)


@pytest.mark.parametrize(
    "address",
    ["ftp://example.org/", "https://user:secret@example.org/", "//example.org", "https://", "https://x:99999/", ""],
)
async def test_other_forms_of_address_are_refused(address: str) -> None:
    async with client(*LOOPBACK) as out:
        with pytest.raises(OutboundRefused):
            await out.request("GET", address)


async def test_one_bad_address_behind_a_name_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answers(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answers)
    async with client() as out:
        with pytest.raises(OutboundRefused):
            await out.request("GET", "https://rebinding.example/")


async def test_plain_http_needs_asking_for_on_public_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object) -> list[outbound.Address]:
        return [ipaddress.ip_address("93.184.216.34")]

    monkeypatch.setattr(outbound, "_resolve", resolve)
    async with client() as out:
        with pytest.raises(OutboundRefused):
            await out.request("GET", "http://example.org/")


async def test_redirects_are_answers_and_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    async with server(moved) as url, client(*LOOPBACK) as out:
        assert (await out.request("GET", url)).status == 302


async def test_a_large_answer_is_cut_off() -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    async with server(large) as url, client(*LOOPBACK) as out:
        with pytest.raises(UpstreamUnavailable, match="too large"):
            await out.request("GET", url, max_bytes=4999)
        assert len((await out.request("GET", url, max_bytes=5000)).body) == 5000


async def test_a_compressed_bomb_is_not_unpacked() -> None:
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with server(packed) as url, client(*LOOPBACK) as out:
        assert (await out.request("GET", url)).body == b"\x1f\x8b\x08\x00"


async def test_a_stalling_server_is_left_in_time() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", stall=True) as url, client(*LOOPBACK) as out:
        with pytest.raises(UpstreamUnavailable):
            await out.request("GET", url, timeout_seconds=0.3)


@pytest.mark.parametrize("answer", [b"garbage\r\n\r\n", b"", b"HTTP/1.1 999999 \xff\r\n\r\n"])
async def test_garbage_is_an_upstream_failure(answer: bytes) -> None:
    async with server(answer) as url, client(*LOOPBACK) as out:
        with pytest.raises(UpstreamUnavailable):
            await out.request("GET", url)


async def test_nobody_listening_is_an_upstream_failure() -> None:
    async with client(*LOOPBACK) as out:
        with pytest.raises(UpstreamUnavailable):
            await out.request("GET", "http://127.0.0.1:9/", timeout_seconds=2)
