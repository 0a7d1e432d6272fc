"""What a person allowed which systems, and taking it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from foundation.audit import AuditEvent
from foundation.errors import NotFound
from idp.oauth.repository import Grants
from idp.oauth.tables import oauth_clients, oauth_consents, oauth_grants

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.oauth.parts import Parts


@dataclass(frozen=True, slots=True)
class Application:
    """A department's system that holds something of the person's: since when, what, and whether it was asked for."""

    client_id: str
    client_name: str
    organisation_code: str
    scopes: tuple[str, ...]
    since: datetime
    consented: bool


class Applications:
    """The person's own list; withdrawing ends consent, grants and every token at once."""

    def __init__(self, parts: Parts) -> None:
        """Take the shared collaborators."""
        self._parts = parts

    async def of(self, principal: Principal) -> tuple[Application, ...]:
        """Return the systems that hold a consent or a standing grant of the principal's, newest first."""
        async with self._parts.database.read() as connection:
            consents = await self._consents(connection, principal.subject_id)
            granted = await self._granted(connection, principal.subject_id)
        merged = {each.client_id: each for each in (*granted, *consents)}
        return tuple(sorted(merged.values(), key=lambda each: each.since, reverse=True))

    async def withdraw(self, principal: Principal, client_id: str) -> None:
        """Take back everything one system holds of the principal's; raises NotFound when that is nothing."""
        now, grants, consents = self._parts.clock.now(), oauth_grants.c, oauth_consents
        async with self._parts.database.transaction() as connection:
            own = (grants.account_id == principal.subject_id) & (grants.client_id == client_id)
            ended = await Grants(connection).revoke(own & (grants.expires_at > now), now)
            forgotten = await connection.execute(
                delete(consents).where(consents.c.account_id == principal.subject_id, consents.c.client_id == client_id)
            )
            if not ended and not forgotten.rowcount:
                raise NotFound("This system holds nothing of yours.")
            event = AuditEvent("idp.consent_withdraw", "client", client_id, {"grants": len(ended)})
            await self._parts.audit.record(connection, principal, event)

    @staticmethod
    async def _consents(connection: AsyncConnection, account_id: str) -> list[Application]:
        query = (
            select(oauth_consents, oauth_clients.c.client_name, oauth_clients.c.organisation_code)
            .join(oauth_clients, oauth_clients.c.client_id == oauth_consents.c.client_id)
            .where(oauth_consents.c.account_id == account_id)
        )
        return [
            Application(row.client_id, row.client_name, row.organisation_code, tuple(row.scopes), row.given_at, True)
            for row in await connection.execute(query)
        ]

    async def _granted(self, connection: AsyncConnection, account_id: str) -> list[Application]:
        grants, clients = oauth_grants.c, oauth_clients.c
        query = (
            select(
                grants.client_id,
                clients.client_name,
                clients.organisation_code,
                func.string_agg(grants.scope, " ").label("scope"),
                func.min(grants.created_at).label("since"),
            )
            .join(oauth_clients, clients.client_id == grants.client_id)
            .where(
                grants.account_id == account_id,
                grants.revoked_at.is_(None),
                grants.expires_at > self._parts.clock.now(),
            )
            .group_by(grants.client_id, clients.client_name, clients.organisation_code)
        )
        return [
            Application(
                row.client_id,
                row.client_name,
                row.organisation_code,
                tuple(sorted(set(row.scope.split()))),
                row.since,
                consented=False,
            )
            for row in await connection.execute(query)
        ]
