"""Who may be asked for what, and whose credentials are trusted: kept by operators, read at every request.

A permission names one credential type and the claims of it that one client (or the officers of one
organisation) may ask for. Nothing that is not registered is ever asked of a wallet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import insert, select, update

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from verification.anchors import read_anchors
from verification.presentation.dcql import read_pointer
from verification.presentation.issuers import TrustedIssuer, TrustKind, public_key
from verification.tables import presentation_issuers, presentation_permissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row, Table

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from verification.presentation.dcql import Pointer

MAXIMUM_TEXT = 300
MAXIMUM_LISTED = 40


@dataclass(frozen=True, slots=True)
class Permission:
    """What may be asked for; `client_id` is empty for the officers of the organisation.

    `title` is how a window calls the credential, `return_uris` where a wallet may lead its owner back to.
    """

    organisation_code: str
    client_id: str
    vct: str
    title: str
    claims: tuple[Pointer, ...]
    return_uris: tuple[str, ...] = ()
    permission_id: str = ""


@dataclass(frozen=True, slots=True)
class IssuerEntry:
    """An issuer as an operator registers it; one of `jwks`, `anchors_pem`, or an organisation on the trust list."""

    name: str
    vct_values: tuple[str, ...]
    issuer: str = ""
    organisation_code: str = ""
    jwks: dict[str, Any] | None = None
    anchors_pem: str | None = None
    status_required: bool = True


class PresentationRegister:
    """Keeps permissions and issuers; every change is audited."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._audit = audit

    async def allow(self, principal: Principal, wanted: Permission) -> str:
        """Register what may be asked for; returns its id. Raises NotPermitted, InvalidInput."""
        _operator(principal)
        _check_texts(wanted.vct, wanted.title, wanted.organisation_code)
        if not 1 <= len(wanted.claims) <= MAXIMUM_LISTED:
            raise InvalidInput(f"There are 1 to {MAXIMUM_LISTED} claims.", field="claims")
        claims = [list(read_pointer(list(pointer), "claims")) for pointer in wanted.claims]
        for uri in wanted.return_uris:
            _check_return(uri)
        permission_id = new_id("prp")
        values = {
            "permission_id": permission_id,
            "organisation_code": wanted.organisation_code,
            "client_id": wanted.client_id,
            "vct": wanted.vct,
            "title": wanted.title,
            "claims": claims,
            "return_uris": list(wanted.return_uris),
            "granted_by": principal.audit_name,
            "granted_at": self._clock.now(),
        }
        detail = {"organisation_code": wanted.organisation_code, "client_id": wanted.client_id, "vct": wanted.vct}
        await self._add(principal, presentation_permissions, values, "allow_presentation", permission_id, detail)
        return permission_id

    async def trust(self, principal: Principal, entry: IssuerEntry) -> str:
        """Register an issuer; returns its id. Raises NotPermitted, InvalidInput."""
        _operator(principal)
        _check_texts(entry.name, *entry.vct_values)
        kind = _kind(entry)
        issuer_id = new_id("pri")
        values = {
            "issuer_id": issuer_id,
            "name": entry.name,
            "kind": str(kind),
            "issuer": entry.issuer,
            "organisation_code": entry.organisation_code,
            "vct_values": list(entry.vct_values),
            "jwks": entry.jwks,
            "anchors_pem": entry.anchors_pem,
            "status_required": entry.status_required,
            "added_by": principal.audit_name,
            "added_at": self._clock.now(),
        }
        detail = {"name": entry.name, "kind": str(kind), "vct_values": list(entry.vct_values)}
        await self._add(principal, presentation_issuers, values, "trust_credential_issuer", issuer_id, detail)
        return issuer_id

    async def _add(
        self,
        principal: Principal,
        table: Table,
        values: dict[str, Any],
        action: str,
        name: str,
        detail: dict[str, Any],
    ) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(insert(table).values(**values))
            await self._audit.record(
                connection, principal, AuditEvent(f"verification.{action}", table.name, name, detail)
            )

    async def withdraw(self, principal: Principal, entry_id: str) -> None:
        """Take a permission or an issuer back at once; raises NotPermitted, NotFound."""
        _operator(principal)
        table = presentation_permissions if entry_id.startswith("prp_") else presentation_issuers
        key = table.primary_key.columns[0]
        statement = (
            update(table)
            .where(key == entry_id, table.c.withdrawn_at.is_(None))
            .values(withdrawn_at=self._clock.now())
            .returning(key)
        )
        async with self._database.transaction() as connection:
            if (await connection.execute(statement)).one_or_none() is None:
                raise NotFound("There is no such entry in force.")
            event = AuditEvent("verification.withdraw_presentation", table.name, entry_id)
            await self._audit.record(connection, principal, event)

    async def permissions(self, principal: Principal | None = None) -> tuple[Permission, ...]:
        """Return what a principal may ask for, or every permission in force."""
        table = presentation_permissions
        statement = select(table).where(table.c.withdrawn_at.is_(None)).order_by(table.c.granted_at)
        if principal is not None:
            mine = principal.client_id or "" if principal.kind is PrincipalKind.CLIENT else ""
            statement = statement.where(
                table.c.organisation_code == (principal.organisation_code or ""), table.c.client_id == mine
            )
        async with self._database.read() as connection:
            return tuple(_permission(row) for row in await connection.execute(statement))

    async def issuers(self) -> tuple[TrustedIssuer, ...]:
        """Return the issuers in force."""
        table = presentation_issuers
        statement = select(table).where(table.c.withdrawn_at.is_(None)).order_by(table.c.added_at)
        async with self._database.read() as connection:
            return tuple(_issuer(row) for row in await connection.execute(statement))


def _permission(row: Row[Any]) -> Permission:
    return Permission(
        row.organisation_code,
        row.client_id,
        row.vct,
        row.title,
        tuple(tuple(pointer) for pointer in row.claims),
        tuple(row.return_uris),
        row.permission_id,
    )


def _issuer(row: Row[Any]) -> TrustedIssuer:
    return TrustedIssuer(
        row.issuer_id,
        row.name,
        TrustKind(row.kind),
        frozenset(row.vct_values),
        row.issuer,
        row.organisation_code,
        tuple((row.jwks or {}).get("keys", ())),
        # What the service calls valid was looked up, whether the anchors came with a list or without (decision 0114).
        None if row.anchors_pem is None else replace(read_anchors(row.anchors_pem.encode()), revocation_required=True),
        row.status_required,
    )


def _kind(entry: IssuerEntry) -> TrustKind:
    """Tell how an issuer is known, and refuse what would leave that open."""
    if not 1 <= len(entry.vct_values) <= MAXIMUM_LISTED:
        raise InvalidInput(f"There are 1 to {MAXIMUM_LISTED} credential types.", field="vct_values")
    if entry.jwks is not None and entry.anchors_pem is None:
        keys = entry.jwks.get("keys")
        if not isinstance(keys, list) or not keys or any(public_key(key) is None for key in keys):
            raise InvalidInput("This is no set of public EC keys.", field="jwks")
        if not entry.issuer:
            raise InvalidInput("Keys belong to an `iss`.", field="issuer")
        return TrustKind.JWKS
    if entry.anchors_pem is not None and entry.jwks is None:
        read_anchors(entry.anchors_pem.encode())
        return TrustKind.ANCHORS
    if entry.jwks is None and entry.organisation_code:
        return TrustKind.TRUST_LIST
    raise InvalidInput("Give keys, or anchors, or the credit code of an organisation on the trust list.", field="jwks")


def _check_texts(*texts: str) -> None:
    if not all(0 < len(text) <= MAXIMUM_TEXT and text.isprintable() for text in texts):
        raise InvalidInput(f"Names and types have 1 to {MAXIMUM_TEXT} printable characters.")


def _check_return(uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme != "https" or not parts.hostname or parts.fragment or parts.username or len(uri) > MAXIMUM_TEXT:
        raise InvalidInput("An address to return to is https, without fragment and user.", field="return_uris")


def _operator(principal: Principal) -> None:
    if principal.kind is not PrincipalKind.OPERATOR:
        raise NotPermitted("Only an operator decides what may be asked for and who is trusted.")


def permitted(permissions: Sequence[Permission]) -> dict[str, list[Pointer]]:
    """Return the pointers that may be asked for by credential type."""
    found: dict[str, list[Pointer]] = {}
    for one in permissions:
        found.setdefault(one.vct, []).extend(one.claims)
    return found
