"""SQL for clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, insert, select, update

from idp.oauth.client import AuthenticationMethod, Client, ClientStatus
from idp.oauth.client_metadata import read_metadata
from idp.oauth.tables import oauth_clients as table
from idp.oauth.tables import oauth_initial_tokens

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from idp.oauth.client import ClientRegistration
    from idp.oauth.client_metadata import ClientMetadata


class Clients:
    """Clients over one connection; commits are the caller's."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the caller's connection."""
        self._connection = connection

    async def find(self, client_id: str) -> Client | None:
        """Return a client or None."""
        row = (await self._connection.execute(select(table).where(table.c.client_id == client_id))).one_or_none()
        return None if row is None else _client(row)

    async def all(self, organisation_code: str | None = None) -> tuple[Client, ...]:
        """Return the clients of one organisation, or every client, by name."""
        query = select(table).order_by(table.c.client_name, table.c.client_id)
        if organisation_code is not None:
            query = query.where(table.c.organisation_code == organisation_code)
        return tuple(_client(row) for row in await self._connection.execute(query))

    async def add(
        self,
        client_id: str,
        registration: ClientRegistration,
        checked: tuple[str, ClientMetadata],
        secret_hash: bytes | None,
        now: datetime,
    ) -> None:
        """Store a new client."""
        values = _values(registration, checked, client_id)
        await self._connection.execute(
            insert(table).values(
                client_id=client_id,
                organisation_code=registration.organisation_code,
                status=ClientStatus.ACTIVE,
                pre_approved=registration.pre_approved,
                secret_hash=secret_hash,
                created_at=now,
                updated_at=now,
                **values,
            )
        )

    async def replace(
        self, client_id: str, registration: ClientRegistration, checked: tuple[str, ClientMetadata], now: datetime
    ) -> None:
        """Replace what a client may change about itself."""
        values = _values(registration, checked, client_id)
        await self._connection.execute(
            update(table).where(table.c.client_id == client_id).values(updated_at=now, **values)
        )

    async def add_initial_token(
        self, token_hash: bytes, organisation_code: str, uses: int, now: datetime, expires_at: datetime
    ) -> None:
        """Store an initial access token."""
        await self._connection.execute(
            insert(oauth_initial_tokens).values(
                token_hash=token_hash,
                organisation_code=organisation_code,
                uses_left=uses,
                created_at=now,
                expires_at=expires_at,
            )
        )

    async def use_initial_token(self, token_hash: bytes, now: datetime) -> str | None:
        """Take one use of an initial access token and return its organisation, or None."""
        initial = oauth_initial_tokens
        statement = (
            update(initial)
            .where(initial.c.token_hash == token_hash, initial.c.uses_left > 0, initial.c.expires_at > now)
            .values(uses_left=initial.c.uses_left - 1)
            .returning(initial.c.organisation_code)
        )
        found: str | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return found

    async def set_management_token(self, client_id: str, token_hash: bytes, now: datetime) -> None:
        """Give a client the token it manages its registration with."""
        values = {"management_token_hash": token_hash, "updated_at": now}
        await self._connection.execute(update(table).where(table.c.client_id == client_id).values(**values))

    async def managed_by(self, client_id: str, token_hash: bytes) -> Client | None:
        """Return a client if this is its management token."""
        query = select(table).where(table.c.client_id == client_id, table.c.management_token_hash == token_hash)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _client(row)

    async def replace_secret(self, client_id: str, secret_hash: bytes, overlap_ends: datetime, now: datetime) -> bool:
        """Make a secret the present one and keep the former until the overlap ends."""
        statement = (
            update(table)
            .where(table.c.client_id == client_id, table.c.secret_hash.is_not(None))
            .values(
                previous_secret_hash=table.c.secret_hash,
                previous_secret_expires_at=overlap_ends,
                secret_hash=secret_hash,
                updated_at=now,
            )
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def is_sector_of_another(self, sector: str, organisation_code: str) -> bool:
        """Tell whether another organisation's clients know people by this sector's numbers."""
        foreign = (table.c.sector_identifier == sector) & (table.c.organisation_code != organisation_code)
        return bool((await self._connection.execute(select(exists().where(foreign)))).scalar_one())

    async def give_first_secret(self, client_id: str, secret_hash: bytes) -> None:
        """Give a client that has none a secret nobody knows, so that it can be rotated into a known one."""
        statement = update(table).where(table.c.client_id == client_id, table.c.secret_hash.is_(None))
        await self._connection.execute(statement.values(secret_hash=secret_hash))

    async def set_status(self, client_id: str, status: ClientStatus, now: datetime) -> bool:
        """Change the status; tell whether there is such a client."""
        statement = update(table).where(table.c.client_id == client_id).values(status=status, updated_at=now)
        return (await self._connection.execute(statement)).rowcount == 1


def _values(registration: ClientRegistration, checked: tuple[str, ClientMetadata], client_id: str) -> dict[str, Any]:
    return {
        "client_name": registration.client_name,
        "authentication": registration.authentication,
        "redirect_uris": list(registration.redirect_uris),
        "scopes": sorted(registration.scopes),
        "grant_types": sorted(registration.grant_types),
        "sector_identifier": checked[0] or client_id,
        "id_token_algorithm": registration.id_token_algorithm,
        "jwks": None if registration.jwks is None else dict(registration.jwks),
        "metadata": checked[1].stored(),
    }


def _client(row: Row[Any]) -> Client:
    return Client(
        client_id=row.client_id,
        client_name=row.client_name,
        organisation_code=row.organisation_code,
        status=ClientStatus(row.status),
        authentication=AuthenticationMethod(row.authentication),
        redirect_uris=tuple(row.redirect_uris),
        scopes=frozenset(row.scopes),
        grant_types=frozenset(row.grant_types),
        sector_identifier=row.sector_identifier,
        pre_approved=row.pre_approved,
        id_token_algorithm=row.id_token_algorithm,
        jwks=row.jwks,
        secret_hash=row.secret_hash,
        previous_secret_hash=row.previous_secret_hash,
        previous_secret_expires_at=row.previous_secret_expires_at,
        metadata=read_metadata(row.metadata),
    )
