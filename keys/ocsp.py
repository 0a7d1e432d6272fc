"""Certificate status online, RFC 6960."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keys.signer.port import Signer


class OcspResponder:
    """Answers with delegated certificates, one for each issuing CA."""

    def __init__(self, signer: Signer) -> None:
        """Ask this signer."""
        self._signer = signer

    async def respond(self, request_der: bytes) -> bytes:
        """Answer an OCSPRequest with an OCSPResponse; malformed and unknown ones get their error responses."""
        return await self._signer.ocsp_response(request_der)

    async def response_for(self, certificate_der: bytes) -> bytes:
        """Return a response for one of our certificates, without nonce, to embed in a B-LT seal.

        Raises: CertificateNotFound for a stranger's, and for a CA's (its status is in the root's list).
        """
        return await self._signer.ocsp_response_for(certificate_der)
