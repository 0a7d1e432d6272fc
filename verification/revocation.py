"""Fetches revocation lists that a certificate names, after its chain has reached an anchor.

The sandbox says which addresses are wanted and cannot call them; this side calls and
never parses a stranger's file. What comes back is believed only if the issuer signed it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from asn1crypto import crl

from foundation.errors import UpstreamUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from foundation.outbound import OutboundClient
    from verification.model import Report
    from verification.sandbox import Sandbox
    from verification.trust import TrustMaterial

MAXIMUM_LISTS = 6
MAXIMUM_BYTES = 20 * 1024 * 1024
TIMEOUT_SECONDS = 5.0
MAXIMUM_KEPT, MAXIMUM_KEPT_BYTES = 32, 1024 * 1024
KEPT_SECONDS = 300.0
_OK = 200


async def judge_with_fetching(
    sandbox: Sandbox, document: bytes, material: TrustMaterial, outbound: OutboundClient, *, at: datetime
) -> Report:
    """Judge a PDF; when nothing but revocation lists is missing, fetch them and judge again."""
    report = await sandbox.validate(document, material, at=at)
    if not report.revocation_urls:
        return report
    fetched = await RevocationLists(outbound).fetch(report.revocation_urls)
    if not fetched:
        return report
    return await sandbox.validate(document, replace(material, crls_der=(*material.crls_der, *fetched)), at=at)


class RevocationLists:
    """Fetches lists and keeps a few small ones for minutes.

    A list that cannot be fetched anew is given as it is kept: whether it is still fresh says its own next update,
    which whoever judges by it looks at.
    """

    def __init__(self, outbound: OutboundClient) -> None:
        """Take the one way out."""
        self._outbound = outbound
        self._kept: dict[str, tuple[float, bytes]] = {}

    async def fetch(self, urls: Iterable[str]) -> tuple[bytes, ...]:
        """Return the lists published at some addresses, as far as they can be had; none is believed by that."""
        wanted = list(dict.fromkeys(urls))[:MAXIMUM_LISTS]
        return tuple(body for body in await asyncio.gather(*map(self._one, wanted)) if body is not None)

    async def _one(self, url: str) -> bytes | None:
        until, kept = self._kept.get(url, (0.0, None))
        if kept is not None and time.monotonic() < until:
            return kept
        body = await self._call(url)
        if body is None:
            return kept
        self._kept.pop(url, None)
        if len(body) <= MAXIMUM_KEPT_BYTES:
            if len(self._kept) >= MAXIMUM_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[url] = (time.monotonic() + KEPT_SECONDS, body)
        return body

    async def _call(self, url: str) -> bytes | None:
        try:
            response = await self._outbound.request(
                "GET", url, timeout_seconds=TIMEOUT_SECONDS, max_bytes=MAXIMUM_BYTES, plain_http=True
            )
        except UpstreamUnavailable:
            return None
        return response.body if response.status == _OK and _is_list(response.body) else None


def _is_list(body: bytes) -> bool:
    try:
        parsed = crl.CertificateList.load(body, strict=True)
        return bool(parsed.issuer.hashable and parsed["tbs_cert_list"]["this_update"].native)
    except (ValueError, TypeError, KeyError):
        return False
