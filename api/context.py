"""What every handler reads from its request: the services, the request id, the caller's address."""

from __future__ import annotations

import base64
import ipaddress
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import HTTPConnection, Request

    from api.services import Services

UNKNOWN_SOURCE = "unknown"
CERTIFICATE_HEADERS = ("client-cert", "x-ssl-client-cert")
SOURCE_IPV6_PREFIX = 64


def services_of(request: HTTPConnection) -> Services:
    """Return the services the application was built with."""
    return cast("Services", request.app.state.services)


def request_id_of(request: HTTPConnection) -> str:
    """Return the id the outermost middleware gave this request."""
    return cast("str", request.scope.get("hufu.request_id", ""))


def source_of(request: HTTPConnection) -> str:
    """Return the caller's network address, the key of throttles.

    An address in `X-Forwarded-For` counts only when every hop after it is a trusted
    proxy, so that a caller cannot choose his own. IPv6 callers are grouped by /64,
    which is what one subscriber holds.
    """
    peer = request.client.host if request.client else UNKNOWN_SOURCE
    forwarded = request.headers.getlist("x-forwarded-for") if hasattr(request.headers, "getlist") else []
    return resolve_source(peer, forwarded, services_of(request).settings.trusted_proxies)


def from_trusted_proxy(request: HTTPConnection) -> bool:
    """Tell whether the request came straight from a proxy of ours, whose headers may be believed."""
    networks = [ipaddress.ip_network(block, strict=False) for block in services_of(request).settings.trusted_proxies]
    return request.client is not None and _within(request.client.host, networks)


def client_certificate(request: Request) -> bytes | None:
    """Return the certificate (DER) of a TLS handshake that a trusted proxy completed; a caller's own header is nothing.

    Read is the header the settings name, else `Client-Cert` (RFC 9440) or `X-SSL-Client-Cert`. Understood
    are RFC 9440's form and nginx's escaped PEM. A header that comes twice was not set by the proxy alone.
    """
    named = services_of(request).settings.client_certificate_header
    found = [value for name in ([named] if named else CERTIFICATE_HEADERS) for value in request.headers.getlist(name)]
    if len(found) != 1 or not from_trusted_proxy(request):
        return None
    value = found[0].strip()
    encoded = value.strip(":") if value.startswith(":") else "".join(unquote(value).split("-----")[2:3])
    try:
        return base64.b64decode("".join(encoded.split()), validate=True) or None
    except ValueError:
        return None


def resolve_source(peer: str, forwarded: Iterable[str], trusted: Iterable[str]) -> str:
    """Walk the hops from the nearest outwards and stop at the first that is not ours."""
    networks = [ipaddress.ip_network(block, strict=False) for block in trusted]
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    current = peer
    while hops and _within(current, networks):
        current = hops.pop()
    return _grouped(current)


def _within(text: str, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _grouped(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return UNKNOWN_SOURCE
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, SOURCE_IPV6_PREFIX), strict=False))
    return str(address)


def prefers_english(accept_language: str) -> bool:
    """Tell whether a caller asks for English before Chinese; Chinese is the default."""
    best, weight = "zh", 0.0
    for part in accept_language.lower().split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if tag[:2] in {"zh", "en"} and quality > weight:
            best, weight = tag[:2], quality
    return best == "en"
