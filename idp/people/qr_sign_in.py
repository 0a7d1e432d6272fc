"""Signing a browser in from a phone that is signed in already.

The browser shows a ticket as a QR code and keeps a second secret to itself; the phone sees
where the browser is and agrees; only the browser that holds the secret gets the session. A
photographed code is worth nothing to whoever photographs it. The danger left is a code sent to
the phone's owner by somebody else: he types two digits that only the screen shows, so that who
agrees to whatever comes up agrees to nothing, and one wrong number ends the ticket.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.errors import NotFound, NotPermitted
from foundation.principal import Channel, PrincipalKind
from idp.people.errors import SignInRefused
from idp.people.session_repository import Sessions

if TYPE_CHECKING:
    from foundation.cache import Cache
    from foundation.principal import Principal
    from idp.people.session import Arrival, Session
    from idp.people.sessions import SessionService
    from idp.people.tools import Tools

TICKET_SECONDS = 120
GONE = "This code is too old or was used; show a new one."


@dataclass(frozen=True, slots=True)
class QrTicket:
    """`ticket` goes into the QR code; `collector` stays with the browser that shows it."""

    ticket: str
    collector: str = field(repr=False)

    @property
    def number(self) -> str:
        """Return the two digits the screen shows; the code tells nothing about them."""
        return f"{int.from_bytes(hashlib.sha256(b'number' + self.collector.encode()).digest()[:8]) % 100:02d}"


@dataclass(frozen=True, slots=True)
class Asking:
    """What the phone's owner sees before agreeing."""

    source: str = field(repr=False)
    channel: Channel
    device_label: str


class QrSignIn:
    """Use cases of the QR sign-in. Tickets live in Redis; losing one costs a new scan."""

    def __init__(self, tools: Tools, sessions: SessionService, cache: Cache) -> None:
        """Take the shared collaborators, the sessions and the cache."""
        self._tools = tools
        self._sessions = sessions
        self._cache = cache

    async def begin(self, arrival: Arrival) -> QrTicket:
        """Make a ticket for a browser; raises SignInThrottled."""
        await self._tools.throttle.ticket(arrival.source, arrival.client_id)
        made = QrTicket(secrets.token_urlsafe(24), secrets.token_urlsafe(32))
        state = {
            "collector": _hash(made.collector),
            "number": made.number,
            "source": arrival.source,
            "channel": str(arrival.channel),
            "label": arrival.device_label,
        }
        await self._cache.put(f"qr:{made.ticket}", json.dumps(state).encode(), ttl_seconds=TICKET_SECONDS)
        return made

    async def look(self, principal: Principal, ticket: str) -> Asking:
        """Return who asks, for the phone's page; raises NotFound, NotPermitted."""
        _citizen(principal)
        stored = await self._cache.get(f"qr:{ticket}")
        if stored is None:
            raise NotFound(GONE)
        state = json.loads(stored)
        return Asking(state["source"], Channel(state["channel"]), state["label"])

    async def approve(self, principal: Principal, ticket: str, unverified_number: str) -> None:
        """Agree with the number the screen shows; a wrong one ends the ticket.

        Raises: NotFound, NotPermitted, SignInRefused.
        """
        state = await self._take(principal, ticket)
        if not secrets.compare_digest(state["number"].encode(), unverified_number.strip().encode()):
            await self._record_refusal(principal, "wrong number")
            raise SignInRefused("That is not the number on the screen. The sign-in has ended.")
        async with self._tools.database.transaction() as connection:
            account_id = await Sessions(connection).account_of(principal.session_id or "")
            if account_id is None:
                raise NotPermitted("Sign in on the phone first.")
            event = AuditEvent("people.qr_approve", "account", account_id)
            await self._tools.audit.record(connection, principal, event)
        approved = {"account_id": account_id, "mfa": "mfa" in principal.amr}
        name = f"qr-approved:{ticket}:{state['collector']}"
        await self._cache.put(name, json.dumps(approved).encode(), ttl_seconds=TICKET_SECONDS)

    async def refuse(self, principal: Principal, ticket: str) -> None:
        """Disagree: the ticket is over. Raises NotFound, NotPermitted."""
        await self._take(principal, ticket)
        await self._record_refusal(principal, "declined")

    async def _take(self, principal: Principal, ticket: str) -> dict[str, Any]:
        _citizen(principal)
        stored = await self._cache.take(f"qr:{ticket}")
        if stored is None:
            raise NotFound(GONE)
        state: dict[str, Any] = json.loads(stored)
        return state

    async def _record_refusal(self, principal: Principal, because: str) -> None:
        async with self._tools.database.transaction() as connection:
            event = AuditEvent("people.qr_refuse", "account", principal.subject_id, {"because": because})
            await self._tools.audit.record(connection, principal, event)

    async def collect(self, ticket: str, collector: str, arrival: Arrival) -> Session | None:
        """Return the session once the phone agreed, None while it has not.

        Raises: NotFound when the ticket is gone.
        """
        name = f"qr-approved:{ticket}:{_hash(collector)}"
        approved = await self._cache.take(name)
        if approved is not None:
            state = json.loads(approved)
            # RFC 8176 has no word for a phone that vouches; `mca`, multiple channels, comes nearest.
            amr = ("mca", "mfa") if state["mfa"] else ("mca",)
            return await self._sessions.open_by(state["account_id"], amr, arrival)
        stored = await self._cache.get(f"qr:{ticket}")
        if stored is None or not secrets.compare_digest(json.loads(stored)["collector"], _hash(collector)):
            raise NotFound(GONE)
        return None


def _citizen(principal: Principal) -> None:
    if principal.kind is not PrincipalKind.PERSON or principal.session_id is None:
        raise NotPermitted("Only a citizen's phone signs a browser in.")


def _hash(collector: str) -> str:
    return hashlib.sha256(collector.encode()).hexdigest()
