"""What a request shows of the client's key or certificate, checked and used up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idp.oauth.dpop import (
    BadProof,
    NonceNeeded,
    Proof,
    certificate_confirmation,
    check_proof,
    current_nonce,
)
from idp.oauth.errors import OAuthError

if TYPE_CHECKING:
    from idp.oauth.client import Client
    from idp.oauth.model import EndpointRequest
    from idp.oauth.parts import Parts


class SenderCheck:
    """Establishes to which key the tokens of a back-channel request are bound."""

    def __init__(self, parts: Parts) -> None:
        """Take the shared collaborators."""
        self._parts = parts

    async def proof(self, request: EndpointRequest) -> Proof | None:
        """Return the request's DPoP proof, used up, or None when it has none; raises OAuthError."""
        if not request.dpop:
            return None
        mint, now = await self._parts.mint(), self._parts.clock.now()
        try:
            proof = check_proof(request.dpop, request.method, request.url, mint, now)
        except NonceNeeded as error:
            nonce = (("dpop-nonce", current_nonce(mint, now)),)
            raise OAuthError("use_dpop_nonce", str(error), headers=nonce) from error
        except BadProof as error:
            raise OAuthError("invalid_dpop_proof", str(error)) from error
        if not await self._parts.hot.use_once(proof.use_hash, proof.expires_at):
            raise OAuthError("invalid_dpop_proof", "The DPoP proof was used before.")
        return proof

    async def confirmation(self, client: Client, request: EndpointRequest) -> dict[str, str] | None:
        """Return the `cnf` for new tokens; raises OAuthError when the client must be bound and shows nothing."""
        metadata = client.metadata
        if metadata.tls_client_certificate_bound_access_tokens:
            if request.certificate_der is None:
                raise OAuthError("invalid_request", "A client certificate is needed.")
            return certificate_confirmation(request.certificate_der)
        proof = await self.proof(request)
        if proof is not None:
            return proof.confirmation
        if metadata.sender_constrained:
            raise OAuthError("invalid_dpop_proof", "A DPoP proof is needed.")
        return None
