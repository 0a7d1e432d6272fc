"""The OpenID Provider's use cases, one method an endpoint; no HTTP here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foundation.principal import Principal
    from idp.oauth.model import (
        AuthorizationOutcome,
        AuthorizationResponse,
        ConsentPage,
        EndpointRequest,
        EndpointResponse,
        Parameters,
        SenderProof,
    )


class OpenIdProvider:
    """OpenID Connect Core 1.0 and OAuth 2.0 with the hardening of RFC 9700."""

    def discovery(self) -> dict[str, Any]:
        """Return the metadata of OpenID Connect Discovery 1.0 and RFC 8414."""
        raise NotImplementedError

    def jwks(self) -> dict[str, Any]:
        """Return the public signing keys."""
        raise NotImplementedError

    async def authorize(self, parameters: Parameters, principal: Principal | None) -> AuthorizationOutcome:
        """Begin an authorization; raises AuthorizationRefused. `principal` is the session's, if there is one."""
        raise NotImplementedError

    async def resume(self, interaction_id: str, principal: Principal | None) -> AuthorizationOutcome:
        """Go on after a sign-in; raises InteractionExpired, AuthorizationRefused."""
        raise NotImplementedError

    async def consent_page(self, interaction_id: str, principal: Principal) -> ConsentPage:
        """Return what to ask the person; raises InteractionExpired."""
        raise NotImplementedError

    async def decide(self, interaction_id: str, principal: Principal, *, approved: bool) -> AuthorizationOutcome:
        """Take the person's answer, once, and return what the client gets; raises InteractionExpired."""
        raise NotImplementedError

    async def cancel(self, interaction_id: str) -> AuthorizationResponse:
        """Give up a sign-in the person declined: `access_denied` to the client. Raises InteractionExpired."""
        raise NotImplementedError

    async def token(self, request: EndpointRequest) -> EndpointResponse:
        """Answer the token endpoint; raises OAuthError."""
        raise NotImplementedError

    async def introspect(self, request: EndpointRequest) -> EndpointResponse:
        """Answer RFC 7662; raises OAuthError."""
        raise NotImplementedError

    async def revoke(self, request: EndpointRequest) -> EndpointResponse:
        """Answer RFC 7009; raises OAuthError."""
        raise NotImplementedError

    async def userinfo(self, token: str, proof: SenderProof | None = None) -> EndpointResponse:
        """Answer the userinfo endpoint; raises InvalidAccessToken, InsufficientScope."""
        raise NotImplementedError
