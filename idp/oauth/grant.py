"""A grant: what one person let one client have in one authorization. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from foundation.principal import PrincipalKind

CODE_LIFETIME = timedelta(seconds=60)
USER_TOKEN_LIFETIME = timedelta(minutes=10)
CLIENT_TOKEN_LIFETIME = timedelta(minutes=5)
ID_TOKEN_LIFETIME = timedelta(minutes=5)
DECOUPLED_LIFETIME = timedelta(minutes=10)
"""How long an answer given on another device may wait for its client."""
GRANT_LIFETIME = timedelta(days=30)
REFRESH_RETRY_WINDOW = timedelta(seconds=30)


def digest(secret: str) -> bytes:
    """Return what is stored of a code or refresh token: both are long random values."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Grant:
    """A stored grant; the `get_…` methods are what Authlib asks of an authorization code.

    `account_id` is the subject's own identifier: an account, an officer, or the enterprise that
    `actor_id` acts for. `resource` is the one audience asked for, if one was. `actors` and
    `mandate_id` are those of an exchanged token.
    """

    grant_id: str
    client_id: str
    account_id: str
    subject_kind: PrincipalKind
    actor_id: str | None
    session_id: str | None
    scope: str
    redirect_uri: str | None
    nonce: str | None
    code_challenge: str | None
    code_expires_at: datetime | None
    code_consumed_at: datetime | None
    auth_time: datetime
    acr: str
    amr: tuple[str, ...]
    claims: Mapping[str, Any] | None
    expires_at: datetime
    revoked_at: datetime | None
    code_jkt: str | None = None
    confirmation: Mapping[str, str] | None = None
    resource: str | None = None
    authorization_details: list[dict[str, Any]] | None = None
    actors: tuple[str, ...] | None = None
    mandate_id: str | None = None

    @property
    def chain(self) -> tuple[str, ...]:
        """Return who acts for the subject, the one who acts now first, as `account:…` and `client:…`."""
        if self.actors is not None:
            return self.actors
        return () if self.actor_id is None else (f"account:{self.actor_id}",)

    def live(self, now: datetime) -> bool:
        """Tell whether the grant still stands."""
        return self.revoked_at is None and now < self.expires_at

    def redeemable_by(self, client_id: str, now: datetime) -> bool:
        """Tell whether this client may redeem the code now."""
        fresh = self.code_expires_at is not None and now < self.code_expires_at
        return self.client_id == client_id and fresh and self.code_consumed_at is None and self.live(now)

    def accepts(self, confirmation: Mapping[str, str] | None) -> bool:
        """Tell whether the key shown now is the one the code was bound to."""
        return self.code_jkt is None or (confirmation or {}).get("jkt") == self.code_jkt

    def accepts_refresh(self, confirmation: Mapping[str, str] | None) -> bool:
        """Tell whether the key shown now is the one a public client's refresh tokens are bound to."""
        return self.confirmation is None or confirmation == self.confirmation

    def get_redirect_uri(self) -> str | None:
        """Return the address the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the granted scope."""
        return self.scope


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A stored refresh token with its grant; the methods are what Authlib asks of it."""

    token_hash: bytes
    generation: int
    expires_at: datetime
    consumed_at: datetime | None
    grant: Grant

    def check_client(self, client: Any) -> bool:  # noqa: ANN401 - Authlib passes any client
        """Tell whether the token was issued to this client."""
        return bool(self.grant.client_id == client.get_client_id())

    def get_scope(self) -> str:
        """Return the granted scope."""
        return self.grant.scope

    def usable(self, now: datetime) -> bool:
        """Tell whether the token may be used now: unused, or used so recently that it is a retry."""
        retry = self.consumed_at is None or now - self.consumed_at <= REFRESH_RETRY_WINDOW
        return retry and now < self.expires_at and self.grant.live(now)
