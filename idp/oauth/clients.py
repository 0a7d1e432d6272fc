"""Registers clients and answers, on hot paths too, who a client is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from foundation.audit import AuditEvent
from foundation.errors import Conflict, InvalidInput, NotFound
from foundation.identity_numbers import parse_unified_social_credit_code
from foundation.ids import new_id, new_secret
from foundation.kept import Kept
from idp.oauth.client import (
    AuthenticationMethod,
    Client,
    ClientRegistration,
    ClientStatus,
    GrantType,
    check_registration,
    hash_secret,
)
from idp.oauth.client_repository import Clients
from idp.oauth.grant import digest

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal

__all__ = [
    "AuthenticationMethod",
    "Client",
    "ClientRegistration",
    "ClientService",
    "ClientStatus",
    "GrantType",
    "RegisteredClient",
]

INITIAL_LIFETIME = timedelta(days=7)
MAX_INITIAL_USES = 100
CACHE_SECONDS = 1.0
CACHE_ENTRIES = 4096
SECRET_METHODS = frozenset({AuthenticationMethod.SECRET_BASIC, AuthenticationMethod.SECRET_POST})


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """A new client and its secret, which is shown this once and stored only as a hash."""

    client_id: str
    client_secret: str | None


class ClientService:
    """Registers clients and answers who a client is, from a cache no older than a second.

    Reading each client in use once a second costs next to nothing and needs no invalidation
    channel that could be lost.
    """

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        """Take the database, clock and audit."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._active: Kept[str, Client | None] = Kept(self._read_active, seconds=CACHE_SECONDS, at_most=CACHE_ENTRIES)

    async def get(self, client_id: str) -> Client | None:
        """Return an active client or None; what was suspended stops within a second."""
        if "\0" in client_id:  # no client is called that, and PostgreSQL would refuse the question
            return None
        return await self._active(client_id)

    async def _read_active(self, client_id: str) -> Client | None:
        async with self._database.read() as connection:
            client = await Clients(connection).find(client_id)
        return client if client is not None and client.active else None

    async def all(self, organisation_code: str | None = None) -> tuple[Client, ...]:
        """Return the clients of one organisation, or every client, suspended ones included."""
        async with self._database.read() as connection:
            return await Clients(connection).all(organisation_code)

    async def register(
        self, principal: Principal, registration: ClientRegistration, *, client_id: str | None = None
    ) -> RegisteredClient:
        """Register a client. The seed alone chooses a `client_id`.

        Raises: InvalidInput naming the field; Conflict when the chosen id is taken.
        """
        parse_unified_social_credit_code(registration.organisation_code)
        checked = check_registration(registration)
        identifier = client_id or new_id("cli")
        secret = new_secret() if registration.authentication in SECRET_METHODS else None
        now = self._clock.now()
        detail = {"organisation_code": registration.organisation_code, "scopes": sorted(registration.scopes)}
        try:
            async with self._database.transaction() as connection:
                secret_hash = None if secret is None else hash_secret(secret)
                await Clients(connection).add(identifier, registration, checked, secret_hash, now)
                event = AuditEvent("idp.client_register", "client", identifier, detail)
                await self._audit.record(connection, principal, event)
        except IntegrityError as error:
            raise Conflict("This client identifier is taken.", field="client_id") from error
        self._active.forget()
        return RegisteredClient(identifier, secret)

    async def replace(self, principal: Principal, client_id: str, registration: ClientRegistration) -> None:
        """Replace what a client registered; its secret, status and organisation stay. Raises InvalidInput, NotFound."""
        checked = check_registration(registration)
        async with self._database.transaction() as connection:
            if await Clients(connection).find(client_id) is None:
                raise NotFound("There is no client by this identifier.")
            await Clients(connection).replace(client_id, registration, checked, self._clock.now())
            await self._audit.record(connection, principal, AuditEvent("idp.client_replace", "client", client_id))
        self._active.forget()

    async def initial_token(self, principal: Principal, organisation_code: str, *, uses: int = 1) -> str:
        """Return an initial access token with which an organisation registers clients of its own for a week.

        Raises: InvalidInput.
        """
        parse_unified_social_credit_code(organisation_code)
        if not 0 < uses <= MAX_INITIAL_USES:
            raise InvalidInput(f"Must be 1 to {MAX_INITIAL_USES}.", field="uses")
        token, now = new_secret(), self._clock.now()
        async with self._database.transaction() as connection:
            ends = now + INITIAL_LIFETIME
            await Clients(connection).add_initial_token(digest(token), organisation_code, uses, now, ends)
            event = AuditEvent("idp.client_initial_token", "organisation", organisation_code, {"uses": uses})
            await self._audit.record(connection, principal, event)
        return token

    async def rotate_secret(self, principal: Principal, client_id: str, *, overlap_seconds: int = 86_400) -> str:
        """Return a new secret; the old one works until the overlap ends. Raises NotFound."""
        secret = new_secret()
        now = self._clock.now()
        async with self._database.transaction() as connection:
            ends = now + timedelta(seconds=overlap_seconds)
            if not await Clients(connection).replace_secret(client_id, hash_secret(secret), ends, now):
                raise NotFound("There is no client with a secret by this identifier.")
            event = AuditEvent("idp.client_rotate_secret", "client", client_id, {"overlap_seconds": overlap_seconds})
            await self._audit.record(connection, principal, event)
        self._active.forget()
        return secret

    async def suspend(self, principal: Principal, client_id: str) -> None:
        """Refuse the client everything within a second, its tokens included. Raises NotFound."""
        await self._set_status(principal, client_id, ClientStatus.SUSPENDED)

    async def reinstate(self, principal: Principal, client_id: str) -> None:
        """Let a suspended client act again. Raises NotFound."""
        await self._set_status(principal, client_id, ClientStatus.ACTIVE)

    async def _set_status(self, principal: Principal, client_id: str, status: ClientStatus) -> None:
        async with self._database.transaction() as connection:
            if not await Clients(connection).set_status(client_id, status, self._clock.now()):
                raise NotFound("There is no client by this identifier.")
            event = AuditEvent("idp.client_status", "client", client_id, {"status": status.value})
            await self._audit.record(connection, principal, event)
        self._active.forget()
