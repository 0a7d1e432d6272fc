"""Certificate status online, RFC 6960."""

from __future__ import annotations


class OcspResponder:
    """Answers with delegated certificates, one for each issuing CA."""

    async def respond(self, request_der: bytes) -> bytes:
        """Answer an OCSPRequest with an OCSPResponse; malformed and unknown ones get their error responses."""
        raise NotImplementedError

    async def response_for(self, certificate_der: bytes) -> bytes:
        """Return a response for one of our certificates, without nonce, to embed in a B-LT seal."""
        raise NotImplementedError
