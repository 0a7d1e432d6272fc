"""Registered clients: the departments' systems and other relying parties."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal


class AuthenticationMethod(StrEnum):
    """How a client proves itself (`token_endpoint_auth_method`)."""

    SECRET_BASIC = "client_secret_basic"
    SECRET_POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ClientRegistration:
    """What an operator or department asks for; checked by `ClientService.register`.

    `organisation_code` is the credit code of the tenant every scope of the client binds to.
    `pre_approved` spares first-party clients of the city the consent page.
    """

    client_name: str
    organisation_code: str
    redirect_uris: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    grant_types: frozenset[str] = frozenset({"authorization_code"})
    authentication: AuthenticationMethod = AuthenticationMethod.SECRET_BASIC
    jwks: Mapping[str, Any] | None = None
    sector_identifier: str | None = None
    pre_approved: bool = False
    id_token_algorithm: str = "ES256"
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """A new client and its secret, which is shown this once and stored only as a hash."""

    client_id: str
    client_secret: str | None


class ClientService:
    """Registers clients and answers who a client is, from a cache no older than a second."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        """Take the database, clock and audit."""
        self._database = database
        self._clock = clock
        self._audit = audit

    async def register(
        self, principal: Principal, registration: ClientRegistration, *, client_id: str | None = None
    ) -> RegisteredClient:
        """Register a client; raises InvalidInput naming the field. `client_id` is chosen by the seed only."""
        raise NotImplementedError

    async def rotate_secret(self, principal: Principal, client_id: str, *, overlap_seconds: int = 86_400) -> str:
        """Return a new secret; the old one works until the overlap ends. Raises NotFound."""
        raise NotImplementedError

    async def suspend(self, principal: Principal, client_id: str) -> None:
        """Refuse the client everything within a second, its tokens included. Raises NotFound."""
        raise NotImplementedError
