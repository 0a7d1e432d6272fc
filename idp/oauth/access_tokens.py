"""RFC 9068 access tokens: issued and checked here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.principal import Principal
    from idp.oauth.model import SenderProof


class AccessTokens:
    """Checks our own access tokens without a round trip on the common path."""

    api_audience: str
    """The `aud` of tokens for the JSON API: `<issuer>/api`."""

    async def authenticate(self, token: str, *, audience: str, proof: SenderProof | None = None) -> Principal:
        """Return who a bearer or sender-constrained access token speaks for.

        A client credentials token gives `PrincipalKind.CLIENT` with the client's organisation and the
        token's scopes. Withdrawn grants and suspended clients are refused within a second.

        Args:
            token: the credential after `Bearer` or `DPoP`, unverified.
            audience: the resource asked, such as `api_audience`.
            proof: DPoP headers or client certificate that came along.

        Raises: InvalidAccessToken.
        """
        raise NotImplementedError
