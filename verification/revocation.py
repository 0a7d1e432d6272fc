"""Fetches revocation lists that a certificate names, after its chain has reached an anchor.

The sandbox says which addresses are wanted and cannot call them; this side calls and
never parses a stranger's file. What comes back is believed only if the issuer signed it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from asn1crypto import crl

from foundation.errors import UpstreamUnavailable

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.outbound import OutboundClient
    from verification.model import Report
    from verification.sandbox import Sandbox
    from verification.trust import TrustMaterial

MAXIMUM_LISTS = 6
MAXIMUM_BYTES = 20 * 1024 * 1024
TIMEOUT_SECONDS = 5.0
_OK = 200


async def judge_with_fetching(
    sandbox: Sandbox, document: bytes, material: TrustMaterial, outbound: OutboundClient, *, at: datetime
) -> Report:
    """Judge a PDF; when nothing but revocation lists is missing, fetch them and judge again."""
    report = await sandbox.validate(document, material, at=at)
    if not report.revocation_urls:
        return report
    urls = report.revocation_urls[:MAXIMUM_LISTS]
    fetched = [body for body in await asyncio.gather(*(_fetch(outbound, url) for url in urls)) if body is not None]
    if not fetched:
        return report
    return await sandbox.validate(document, replace(material, crls_der=(*material.crls_der, *fetched)), at=at)


async def _fetch(outbound: OutboundClient, url: str) -> bytes | None:
    try:
        response = await outbound.request(
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
