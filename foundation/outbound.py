"""The one way out: every call to an address that somebody else gave us.

A name is resolved once, every address behind it is checked, and the connection goes to
the checked address, so that a second answer of the name server cannot lead elsewhere.
Public addresses are allowed, and the networks of HUFU_OUTBOUND_NETWORKS; nothing else,
which keeps the cloud's metadata service and our own neighbours out of reach. Redirects
are not followed, and size and time are bounded.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore2

from foundation.errors import UpstreamUnavailable
from foundation.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping, Sequence

MAX_RESPONSE_BYTES = 1024 * 1024
TIMEOUT_SECONDS = 5.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Global by the registry, yet each carries an IPv4 address of anybody's choice.
_TRANSLATED = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))


class OutboundRefused(UpstreamUnavailable):
    """The address is one we do not call: its scheme, its form, or the network behind its name."""


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """What came back, whatever its status; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class OutboundClient:
    """Calls other servers within limits; one a process."""

    def __init__(self, networks: Iterable[str] = (), *, ssl_context: ssl.SSLContext | None = None) -> None:
        """Take the networks reachable besides public ones, in CIDR form."""
        listed = tuple(ipaddress.ip_network(text) for text in networks)
        context = ssl_context or client_context()
        self._public = httpcore2.AsyncConnectionPool(
            context, max_connections=50, network_backend=_PinnedBackend(listed, public=True)
        )
        self._listed = httpcore2.AsyncConnectionPool(
            context, max_connections=50, network_backend=_PinnedBackend(listed, public=False)
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_RESPONSE_BYTES,
        plain_http: bool = False,
    ) -> OutboundResponse:
        """Make one call and return the whole answer.

        Args:
            method: such as GET.
            url: absolute, without user information.
            headers: besides Host and Accept-Encoding, which are ours.
            content: the body.
            timeout_seconds: for everything, name resolution included.
            max_bytes: of the answer's body.
            plain_http: http to public servers too (CRL, OCSP and AIA are published so);
                otherwise only to listed networks.

        Raises: OutboundRefused, UpstreamUnavailable.
        """
        pool = self._pool(url, plain_http=plain_http)
        sent = [*(headers or {}).items(), ("Accept-Encoding", "identity"), ("User-Agent", "hufu")]
        try:
            async with asyncio.timeout(timeout_seconds):
                async with pool.stream(method, url, headers=sent, content=content) as response:
                    body = await _read(response, max_bytes)
                    return OutboundResponse(response.status, _headers(response.headers), body)
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            raise UpstreamUnavailable("The other server did not answer properly in time.") from error

    def _pool(self, url: str, *, plain_http: bool) -> httpcore2.AsyncConnectionPool:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise OutboundRefused("The address is malformed.") from None
        if not url.isascii():
            raise OutboundRefused("The address is not written in ASCII.")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None or port == 0:
            raise OutboundRefused("Only http and https addresses without user information are called.")
        return self._public if parts.scheme == "https" or plain_http else self._listed

    async def close(self) -> None:
        """Close the connections."""
        await self._public.aclose()
        await self._listed.aclose()


async def _read(response: httpcore2.Response, max_bytes: int) -> bytes:
    body = bytearray()
    async for part in response.aiter_stream():
        body += part
        if len(body) > max_bytes:
            raise UpstreamUnavailable("The other server's answer is too large.")
    return bytes(body)


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


class _PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to an address that was checked, not to a name."""

    def __init__(self, listed: tuple[Network, ...], *, public: bool) -> None:
        self._listed = listed
        self._public = public
        self._sockets = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface is httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve, check every address, and connect to one of them."""
        addresses = await _resolve(host, port)
        if not addresses or not all(self._allowed(address) for address in addresses):
            raise OutboundRefused("The address leads to a network that is not called from here.")
        error: Exception = httpcore2.ConnectError()
        for address in addresses:
            try:
                return await self._sockets.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as caught:
                error = caught
        raise error

    async def sleep(self, seconds: float) -> None:
        """Wait, as the pool asks between retries."""
        await self._sockets.sleep(seconds)

    def _allowed(self, address: Address) -> bool:
        if any(address in network for network in self._listed):
            return True
        if any(address in network for network in _TRANSLATED):
            return False
        return self._public and address.is_global and not address.is_multicast


async def _resolve(host: str, port: int) -> list[Address]:
    """Return the addresses behind a name; an IPv4 address inside an IPv6 one counts as itself."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError("name not resolved") from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    return list(dict.fromkeys(getattr(address, "ipv4_mapped", None) or address for address in addresses))
