"""SQL for grants, refresh tokens, consents, revocations and used assertions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from foundation.principal import PrincipalKind
from idp.oauth.client import ClientStatus
from idp.oauth.grant import USER_TOKEN_LIFETIME, Grant, RefreshToken
from idp.oauth.tables import (
    oauth_clients,
    oauth_consents,
    oauth_grants,
    oauth_pushed_requests,
    oauth_refresh_tokens,
    oauth_revocations,
    oauth_secrets,
    oauth_used_tokens,
    oauth_waiting,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.statements import Record

GRANT_COLUMNS = tuple(
    oauth_grants.c[name]
    for name in (
        "grant_id",
        "client_id",
        "account_id",
        "subject_kind",
        "actor_id",
        "session_id",
        "scope",
        "redirect_uri",
        "nonce",
        "code_challenge",
        "code_expires_at",
        "code_consumed_at",
        "auth_time",
        "acr",
        "amr",
        "claims",
        "code_jkt",
        "confirmation",
        "resource",
        "authorization_details",
        "actors",
        "mandate_id",
        "expires_at",
        "revoked_at",
    )
)


class Grants:
    """Grants and their tokens over one connection; commits are the caller's."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the caller's connection."""
        self._connection = connection

    async def add(self, grant: Grant, *, code_hash: bytes | None, now: datetime) -> None:
        """Store a new grant, with its code if it has one."""
        values = {**stored_grant(grant), "code_hash": code_hash, "created_at": now}
        await self._connection.execute(insert(oauth_grants).values(values))

    async def find(self, grant_id: str) -> Grant | None:
        """Return a grant or None."""
        return await self._one(oauth_grants.c.grant_id == grant_id)

    async def standing(self, grant_id: str, now: datetime) -> Grant | None:
        """Return a grant if it and its client still stand, in one read."""
        table = oauth_grants
        active = table.c.revoked_at.is_(None) & (table.c.expires_at > now) & client_active(table.c.client_id)
        return await self._one((table.c.grant_id == grant_id) & active)

    async def bind(self, grant: Grant, bound_to: Mapping[str, str] | None, now: datetime) -> bool:
        """Bind a grant's refresh tokens to a key; False when grant or client no longer stand."""
        statement = (
            update(oauth_grants)
            .where(oauth_grants.c.grant_id == grant.grant_id, _grant_stands(grant, now))
            .values(confirmation=None if bound_to is None else dict(bound_to))
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def revoke(self, condition: ColumnElement[bool], now: datetime) -> tuple[str, ...]:
        """End the grants that meet a condition, and with them every token; return their identifiers."""
        statement = (
            update(oauth_grants)
            .where(condition, oauth_grants.c.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(oauth_grants.c.grant_id)
        )
        ended = tuple((await self._connection.execute(statement)).scalars())
        await self.announce(ended, now, now + USER_TOKEN_LIFETIME)
        return ended

    async def announce(self, revoked_ids: Iterable[str], now: datetime, expires_at: datetime) -> None:
        """Make revoked grants or tokens known to every process for as long as tokens may live."""
        rows = [{"revoked_id": each, "revoked_at": now, "expires_at": expires_at} for each in revoked_ids]
        if rows:
            await self._connection.execute(upsert(oauth_revocations).values(rows).on_conflict_do_nothing())

    async def revoked_among(self, identifiers: Iterable[str]) -> bool:
        """Tell whether any of these grants or tokens is revoked."""
        query = select(oauth_revocations.c.revoked_id).where(oauth_revocations.c.revoked_id.in_(tuple(identifiers)))
        return (await self._connection.execute(query.limit(1))).first() is not None

    async def revoked_since(self, since: datetime, now: datetime) -> tuple[tuple[str, datetime], ...]:
        """Return what was revoked since a moment and still matters, with when it stops mattering."""
        table = oauth_revocations
        query = select(table.c.revoked_id, table.c.expires_at).where(
            table.c.revoked_at >= since, table.c.expires_at > now
        )
        return tuple((row.revoked_id, row.expires_at) for row in await self._connection.execute(query))

    async def add_refresh_token(
        self, token_hash: bytes, grant_id: str, generation: int, now: datetime, lifetime: timedelta
    ) -> None:
        """Store a refresh token, which never outlives its grant."""
        statement = upsert(oauth_refresh_tokens).values(
            token_hash=token_hash,
            grant_id=grant_id,
            generation=generation,
            created_at=now,
            expires_at=now + lifetime,
        )
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def refresh_token(self, token_hash: bytes) -> RefreshToken | None:
        """Return a refresh token with its grant, used or not."""
        table = oauth_refresh_tokens
        query = (
            select(
                table.c.token_hash,
                table.c.generation,
                table.c.expires_at.label("token_expires_at"),
                table.c.consumed_at,
                *GRANT_COLUMNS,
            )
            .join(oauth_grants, oauth_grants.c.grant_id == table.c.grant_id)
            .where(table.c.token_hash == token_hash)
        )
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        return RefreshToken(row.token_hash, row.generation, row.token_expires_at, row.consumed_at, grant_of(row))

    async def consented_scopes(self, account_id: str, client_id: str) -> frozenset[str]:
        """Return what a person allowed a client earlier."""
        table = oauth_consents
        query = select(table.c.scopes).where(table.c.account_id == account_id, table.c.client_id == client_id)
        return frozenset((await self._connection.execute(query)).scalar_one_or_none() or ())

    async def remember_consent(self, account_id: str, client_id: str, scopes: Iterable[str], now: datetime) -> None:
        """Remember what a person allows a client."""
        values = {"scopes": sorted(scopes), "given_at": now}
        statement = upsert(oauth_consents).values(account_id=account_id, client_id=client_id, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["account_id", "client_id"], set_=values)
        )

    async def forget_consent(self, account_id: str, client_id: str) -> bool:
        """Forget a consent; tell whether there was one."""
        table = oauth_consents
        statement = delete(table).where(table.c.account_id == account_id, table.c.client_id == client_id)
        return (await self._connection.execute(statement)).rowcount == 1

    async def consents(self, account_id: str) -> tuple[Row[Any], ...]:
        """Return a person's consents with the clients' names."""
        table = oauth_consents
        query = (
            select(table.c.client_id, table.c.scopes, table.c.given_at, oauth_clients.c.client_name)
            .join(oauth_clients, oauth_clients.c.client_id == table.c.client_id)
            .where(table.c.account_id == account_id)
            .order_by(table.c.given_at.desc())
        )
        return tuple(await self._connection.execute(query))

    async def accounts_of_client(self, client_id: str) -> tuple[str, ...]:
        """Return who granted a client anything that is still on record."""
        query = select(oauth_grants.c.account_id).where(oauth_grants.c.client_id == client_id).distinct()
        return tuple((await self._connection.execute(query)).scalars())

    async def push(self, request_hash: bytes, client_id: str, parameters: bytes, expires_at: datetime) -> None:
        """Store a pushed authorization request."""
        values = {"request_hash": request_hash, "client_id": client_id, "parameters": parameters}
        await self._connection.execute(insert(oauth_pushed_requests).values(**values, expires_at=expires_at))

    async def pushed(self, request_hash: bytes, client_id: str, now: datetime) -> bytes | None:
        """Return the parameters a client pushed, while nobody completed an authorization with them."""
        table = oauth_pushed_requests
        query = select(table.c.parameters).where(
            table.c.request_hash == request_hash,
            table.c.client_id == client_id,
            table.c.expires_at > now,
            table.c.consumed_at.is_(None),
        )
        stored: bytes | None = (await self._connection.execute(query)).scalar_one_or_none()
        return stored

    async def complete_pushed(self, request_hash: bytes, now: datetime) -> bool:
        """Use a pushed request up; False when an authorization was completed with it before."""
        table = oauth_pushed_requests
        statement = update(table).where(table.c.request_hash == request_hash, table.c.consumed_at.is_(None))
        return (await self._connection.execute(statement.values(consumed_at=now))).rowcount == 1

    async def keep_secret(self, name: str, value: bytes) -> bytes:
        """Store a secret unless there is one, and return the one that is kept."""
        table = oauth_secrets
        await self._connection.execute(upsert(table).values(name=name, value=value).on_conflict_do_nothing())
        stored: bytes = (await self._connection.execute(select(table.c.value).where(table.c.name == name))).scalar_one()
        return stored

    async def purge(self, now: datetime) -> int:
        """Delete what no longer matters; return how many rows."""
        day = timedelta(days=1)
        statements = (
            delete(oauth_grants).where(oauth_grants.c.expires_at < now - day),
            delete(oauth_pushed_requests).where(oauth_pushed_requests.c.expires_at < now - day),
            delete(oauth_waiting).where(oauth_waiting.c.expires_at < now - day),
            delete(oauth_revocations).where(oauth_revocations.c.expires_at < now - day),
            delete(oauth_used_tokens).where(oauth_used_tokens.c.expires_at < now - day),
        )
        return sum([(await self._connection.execute(statement)).rowcount for statement in statements])

    async def _one(self, condition: ColumnElement[bool]) -> Grant | None:
        row = (await self._connection.execute(select(*GRANT_COLUMNS).where(condition))).one_or_none()
        return None if row is None else grant_of(row)


def offline() -> ColumnElement[bool]:
    """Return the condition that a grant outlives its session."""
    return literal("offline_access") == func.any(func.string_to_array(oauth_grants.c.scope, " "))


def client_active(client_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column or a value
    """Return the condition that a client stands."""
    return exists().where(oauth_clients.c.client_id == client_id, oauth_clients.c.status == ClientStatus.ACTIVE)


def _grant_stands(grant: Grant, now: datetime) -> ColumnElement[bool]:
    table = oauth_grants
    return exists().where(
        table.c.grant_id == grant.grant_id,
        table.c.revoked_at.is_(None),
        table.c.expires_at > now,
        client_active(grant.client_id),
    )


def stored_grant(grant: Grant) -> dict[str, Any]:
    """Return a grant's columns."""
    values = {column.name: getattr(grant, column.name) for column in GRANT_COLUMNS}
    return values | {"amr": list(grant.amr), "actors": None if grant.actors is None else list(grant.actors)}


def grant_of(row: Row[Any] | Record) -> Grant:
    """Return the grant of a row that holds GRANT_COLUMNS."""
    return Grant(
        grant_id=row.grant_id,
        client_id=row.client_id,
        account_id=row.account_id,
        subject_kind=PrincipalKind(row.subject_kind),
        actor_id=row.actor_id,
        session_id=row.session_id,
        scope=row.scope,
        redirect_uri=row.redirect_uri,
        nonce=row.nonce,
        code_challenge=row.code_challenge,
        code_expires_at=row.code_expires_at,
        code_consumed_at=row.code_consumed_at,
        auth_time=row.auth_time,
        acr=row.acr,
        amr=tuple(row.amr),
        claims=row.claims,
        code_jkt=row.code_jkt,
        confirmation=row.confirmation,
        resource=row.resource,
        authorization_details=row.authorization_details,
        actors=None if row.actors is None else tuple(row.actors),
        mandate_id=row.mandate_id,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
