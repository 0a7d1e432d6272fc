"""Timestamps, RFC 3161."""

from __future__ import annotations


class TimestampAuthority:
    """Answers with signed timestamps from the TSA key, in this process or in the signer."""

    async def timestamp(self, digest: bytes, *, nonce: int | None = None) -> bytes:
        """Return a TimeStampToken (DER ContentInfo) over a SHA-256 digest, certificates included.

        Raises: ClockNotTrusted, KeyNotFound, ProviderUnavailable.
        """
        raise NotImplementedError

    async def respond(self, request_der: bytes) -> bytes:
        """Answer a TimeStampReq with a TimeStampResp; a bad request gets a rejection, not an exception."""
        raise NotImplementedError
