"""Timestamps, RFC 3161."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keys.signer.port import Signer


class TimestampAuthority:
    """Answers with signed timestamps from the TSA key, in this process or in the signer."""

    def __init__(self, signer: Signer) -> None:
        """Ask this signer."""
        self._signer = signer

    async def timestamp(self, digest: bytes, *, nonce: int | None = None) -> bytes:
        """Return a TimeStampToken (DER ContentInfo) over a SHA-256 digest, certificates included.

        Raises: ClockNotTrusted, KeyNotFound, ProviderUnavailable.
        """
        return await self._signer.timestamp(digest, nonce)

    async def respond(self, request_der: bytes) -> bytes:
        """Answer a TimeStampReq with a TimeStampResp; a bad request gets a rejection, not an exception."""
        return await self._signer.timestamp_response(request_der)
