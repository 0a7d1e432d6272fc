"""Two operators for what cannot be undone: one asks, another does it within a day."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import insert, update

from foundation.audit import AuditEvent
from foundation.errors import NotPermitted
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from keys.errors import SecondOperatorRequired
from keys.tables import operator_requests

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.principal import Principal

REQUEST_LIFETIME = timedelta(hours=24)


class Act(StrEnum):
    """What needs two operators beside the ceremony, which has both of them present."""

    DESTROY = "destroy"
    EXPORT = "export"
    CERTIFY_CLIENT = "certify_client"
    ROTATE_CA = "rotate_ca"
    PIN = "pin"


def require_operator(principal: Principal) -> None:
    """Raise NotPermitted unless an operator acts."""
    if principal.kind is not PrincipalKind.OPERATOR:
        raise NotPermitted("Only an operator may do this.")


class DualControl:
    """Stores requests and spends them; a request is good for one act of another operator."""

    def __init__(self, clock: Clock, audit: Audit) -> None:
        """Date requests by this clock."""
        self._clock = clock
        self._audit = audit

    async def request(self, connection: AsyncConnection, principal: Principal, act: Act, object_id: str) -> str:
        """Ask for an act on one object; returns the request's id."""
        require_operator(principal)
        now, request_id = self._clock.now(), new_id("req")
        await connection.execute(
            insert(operator_requests).values(
                request_id=request_id,
                act=act,
                object_id=object_id,
                requested_by=principal.audit_name,
                requested_at=now,
                expires_at=now + REQUEST_LIFETIME,
            )
        )
        event = AuditEvent("keys.request", "operator_request", request_id, {"act": act, "object_id": object_id})
        await self._audit.record(connection, principal, event)
        return request_id

    async def spend(self, connection: AsyncConnection, principal: Principal, act: Act, object_id: str) -> str:
        """Use up another operator's request, in the transaction of the act; raises SecondOperatorRequired."""
        require_operator(principal)
        now = self._clock.now()
        statement = (
            update(operator_requests)
            .where(
                operator_requests.c.act == act,
                operator_requests.c.object_id == object_id,
                operator_requests.c.requested_by != principal.audit_name,
                operator_requests.c.expires_at > now,
                operator_requests.c.done_at.is_(None),
            )
            .values(done_by=principal.audit_name, done_at=now)
            .returning(operator_requests.c.requested_by)
        )
        asked = (await connection.execute(statement)).scalars().first()
        if asked is None:
            raise SecondOperatorRequired("Another operator has to ask for this first.")
        return str(asked)
