"""Departments keep their own clients: their administrator asks, an operator who is somebody else approves.

What gives a system nothing new (another address, a new key) holds at once. A new system, another name,
another sector, scope or grant, or a weaker binding waits for the operator; the sector of another
organisation is refused, since both would know a person by one number. Secrets are seen by the department alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from foundation.audit import AuditEvent
from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.ids import new_id, new_secret
from foundation.principal import PrincipalKind
from idp.oauth.client import AuthenticationMethod, ClientRegistration, check_registration, hash_secret
from idp.oauth.client_repository import Clients
from idp.oauth.clients import SECRET_METHODS
from idp.oauth.tables import oauth_client_requests as table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from idp.oauth.client import Client
    from idp.oauth.clients import ClientService
    from idp.oauth.ports import Administrators

OPEN, APPROVED, REJECTED, WITHDRAWN = "open", "approved", "rejected", "withdrawn"
MAX_REASON = 300
BINDINGS = ("fapi", "dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens")
PRIVILEGES = ("authorization_details_types", "may_act")


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What a department asked for, and what became of it."""

    request_id: str
    client_id: str | None
    organisation_code: str
    wanted: ClientRegistration
    state: str
    requested_by: str
    requested_at: datetime
    reason: str


class DepartmentClients:
    """Use cases of a department's administrator, and of the operator who decides."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        *,
        clients: ClientService,
        administrators: Administrators,
    ) -> None:
        """Take the collaborators; `administrators` knows who administers an organisation."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._clients = clients
        self._administrators = administrators

    async def own(self, principal: Principal) -> tuple[tuple[Client, ...], tuple[ClientRequest, ...]]:
        """Return the organisation's clients and what it asked for, newest first; raises NotPermitted."""
        organisation = await self._organisation(principal)
        query = select(table).where(table.c.organisation_code == organisation)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(table.c.requested_at.desc()).limit(50))
            requests = tuple(_request(row) for row in rows)
        return await self._clients.all(organisation), requests

    async def client(self, principal: Principal, client_id: str) -> Client:
        """Return one of the organisation's clients, suspended ones too; raises NotPermitted, NotFound."""
        organisation = await self._organisation(principal)
        async with self._database.read() as connection:
            found = await Clients(connection).find(client_id)
        if found is None or found.organisation_code != organisation:
            raise NotFound("Your organisation has no such client.")
        return found

    async def ask(self, principal: Principal, wanted: ClientRegistration, client_id: str | None = None) -> str:
        """Create or change a client; returns `done`, or `waits` when an operator must approve.

        Raises: NotPermitted, NotFound, InvalidInput naming the field, Conflict when a change waits already.
        """
        organisation = await self._organisation(principal)
        present = None if client_id is None else await self.client(principal, client_id)
        wanted = replace(wanted, organisation_code=organisation, pre_approved=bool(present and present.pre_approved))
        sector, _ = check_registration(wanted)
        now = self._clock.now()
        async with self._database.transaction() as connection:
            if sector and await Clients(connection).is_sector_of_another(sector, organisation):
                raise InvalidInput("Another organisation's systems know people by it.", field="sector_identifier")
            if present is not None and not widens(present, wanted):
                await _apply(connection, present.client_id, wanted, now)
                await self._note(connection, principal, "idp.client_change", present.client_id, wanted)
                return "done"
            request_id = new_id("crq")
            values = {
                "request_id": request_id,
                "client_id": client_id,
                "organisation_code": organisation,
                "registration": _stored(wanted),
                "state": OPEN,
                "requested_by": principal.audit_name,
                "requested_at": now,
            }
            try:
                await connection.execute(insert(table).values(**values))
            except IntegrityError as error:
                raise Conflict("A change of this client waits for approval already.") from error
            await self._note(connection, principal, "idp.client_request", request_id, wanted)
        return "waits"

    async def withdraw(self, principal: Principal, request_id: str) -> None:
        """Take an open request back; raises NotPermitted, NotFound."""
        organisation = await self._organisation(principal)
        async with self._database.transaction() as connection:
            own = table.c.organisation_code == organisation
            if await self._decided(connection, principal, request_id, WITHDRAWN, own=own) is None:
                raise NotFound("There is no such open request of your organisation.")

    async def rotate_secret(self, principal: Principal, client_id: str) -> str:
        """Return a new secret of an own client, this once; the old one works for a day. Raises NotFound."""
        await self.client(principal, client_id)
        return await self._clients.rotate_secret(principal, client_id)

    async def waiting(self, principal: Principal) -> tuple[tuple[ClientRequest, Client | None], ...]:
        """Return the open requests with the client as it is now, oldest first; raises NotPermitted."""
        _operator(principal)
        async with self._database.read() as connection:
            rows = await connection.execute(select(table).where(table.c.state == OPEN).order_by(table.c.requested_at))
            found = [_request(row) for row in rows]
            clients = Clients(connection)
            return tuple([(one, await clients.find(one.client_id) if one.client_id else None) for one in found])

    async def approve(self, principal: Principal, request_id: str) -> str:
        """Let another's request take effect; returns the client. Raises NotPermitted, NotFound, InvalidInput."""
        _operator(principal)
        now = self._clock.now()
        async with self._database.transaction() as connection:
            row = await self._decided(connection, principal, request_id, APPROVED)
            if row is None:
                raise NotFound("There is no such open request that another than its author may decide.")
            wanted, client_id = _request(row).wanted, row.client_id
            if client_id is None:
                client_id = new_id("cli")
                # Nobody learns this first secret: the department makes its own as soon as it wants one.
                first = hash_secret(new_secret()) if wanted.authentication in SECRET_METHODS else None
                await Clients(connection).add(client_id, wanted, check_registration(wanted), first, now)
            else:
                await _apply(connection, client_id, wanted, now)
            await self._note(connection, principal, "idp.client_approve", client_id, wanted)
        return str(client_id)

    async def reject(self, principal: Principal, request_id: str, reason: str) -> None:
        """Turn a request down, saying why; raises NotPermitted, NotFound."""
        _operator(principal)
        async with self._database.transaction() as connection:
            if await self._decided(connection, principal, request_id, REJECTED, reason=reason) is None:
                raise NotFound("There is no such open request.")

    async def _decided(
        self,
        connection: AsyncConnection,
        principal: Principal,
        request_id: str,
        state: str,
        *,
        reason: str = "",
        own: ColumnElement[bool] | None = None,
    ) -> Row[Any] | None:
        """Decide an open request once; whoever asked cannot approve."""
        conditions = [table.c.request_id == request_id, table.c.state == OPEN]
        if own is not None:
            conditions.append(own)
        if state == APPROVED:
            conditions.append(table.c.requested_by != principal.audit_name)
        statement = (
            update(table)
            .where(*conditions)
            .values(
                state=state,
                decided_by=principal.audit_name,
                decided_at=self._clock.now(),
                reason=reason[:MAX_REASON],
            )
            .returning(table)
        )
        row: Row[Any] | None = (await connection.execute(statement)).one_or_none()
        if row is not None:
            event = AuditEvent(f"idp.client_request_{state}", "client_request", request_id)
            await self._audit.record(connection, principal, event)
        return row

    async def _note(
        self, connection: AsyncConnection, principal: Principal, action: str, name: str, wanted: ClientRegistration
    ) -> None:
        detail = {"organisation_code": wanted.organisation_code, "scopes": sorted(wanted.scopes)}
        await self._audit.record(connection, principal, AuditEvent(action, "client", name, detail))

    async def _organisation(self, principal: Principal) -> str:
        organisation = principal.organisation_code
        if organisation is None or not await self._administrators.administers(principal, organisation):
            raise NotPermitted("Only the organisation's administrator keeps its clients.")
        return organisation


def widens(present: Client, wanted: ClientRegistration) -> bool:
    """Tell whether a change gives the client anything it does not have, or binds it less."""
    told = dict(wanted.metadata)
    looser = any(getattr(present.metadata, name) and not told.get(name) for name in BINDINGS)
    more = any(set(told.get(name) or ()) - set(getattr(present.metadata, name) or ()) for name in PRIVILEGES[:1])
    acts = told.get("may_act") not in {None, present.metadata.may_act}
    # What people read on the consent page, and whose number for a person it shares, an operator has seen.
    elsewhere = (
        told.get("channel") != present.metadata.channel
        or wanted.client_name != present.client_name
        or (check_registration(wanted)[0] or present.client_id) != present.sector_identifier
    )
    beyond = not (wanted.scopes <= present.scopes and wanted.grant_types <= present.grant_types)
    weaker = wanted.authentication is not present.authentication
    return beyond or looser or more or acts or elsewhere or weaker


async def _apply(connection: AsyncConnection, client_id: str, wanted: ClientRegistration, now: datetime) -> None:
    clients = Clients(connection)
    await clients.replace(client_id, wanted, check_registration(wanted), now)
    if wanted.authentication in SECRET_METHODS:
        await clients.give_first_secret(client_id, hash_secret(new_secret()))


def _operator(principal: Principal) -> None:
    if principal.kind is not PrincipalKind.OPERATOR:
        raise NotPermitted("Only an operator decides on clients.")


def _stored(wanted: ClientRegistration) -> dict[str, Any]:
    values = asdict(wanted)
    return {
        **values,
        "redirect_uris": list(wanted.redirect_uris),
        "scopes": sorted(wanted.scopes),
        "grant_types": sorted(wanted.grant_types),
    }


def _wanted(stored: Mapping[str, Any]) -> ClientRegistration:
    return ClientRegistration(
        **{
            **stored,
            "redirect_uris": tuple(stored["redirect_uris"]),
            "scopes": frozenset(stored["scopes"]),
            "grant_types": frozenset(stored["grant_types"]),
            "authentication": AuthenticationMethod(stored["authentication"]),
        }
    )


def _request(row: Row[Any]) -> ClientRequest:
    return ClientRequest(
        row.request_id,
        row.client_id,
        row.organisation_code,
        _wanted(row.registration),
        row.state,
        row.requested_by,
        row.requested_at,
        row.reason,
    )
