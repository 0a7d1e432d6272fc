"""Acts a person allowed one by one: a licence read once or for a period, a document confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, update

from foundation.audit import AuditEvent
from foundation.errors import NotPermitted
from foundation.ids import new_id
from idp.oauth.authorization_details import DOCUMENT_SIGNATURE, LICENCE_ACCESS, PERIOD, usable
from idp.oauth.repository import Grants, client_active
from idp.oauth.tables import oauth_grants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.oauth.parts import Parts
    from idp.oauth.ports import MandateRegister

CONFIRMATION_TYPE = "hufu-document-confirmation+jwt"


class AuthorisedActs:
    """Uses up what an access token with authorization details allows.

    The grant's row decides, in the transaction of the act itself: no act without its use, nor
    the other way round, and of two at once one wins.
    """

    def __init__(self, parts: Parts, mandates: MandateRegister) -> None:
        """Take the shared collaborators and the register."""
        self._parts = parts
        self._mandates = mandates

    async def use_licence_access(
        self, connection: AsyncConnection, principal: Principal, *, licence_identifier: str, licence_type: str
    ) -> Mapping[str, Any]:
        """Use the access to one licence and return its details: `fields`, `matter_code`, `purpose`.

        Args:
            connection: the transaction that writes the access receipt.
            principal: from an access token with authorization details.
            licence_identifier: the licence asked for, which must be the very one allowed.
            licence_type: its type code, which a mandate may be limited to.

        Raises: NotPermitted for another licence, or when the act was done before or withdrawn; MandateRefused.
        """
        detail = _detail(principal, LICENCE_ACCESS)
        if detail["licence_identifier"] != licence_identifier:
            raise NotPermitted("The access token is bound to another licence.")
        await self._use(connection, principal, detail)
        grant = await Grants(connection).find(principal.grant_id or "")
        if grant is not None and grant.mandate_id is not None:
            await self._mandates.use(connection, principal, grant.mandate_id, detail, licence_type)
        return detail

    async def confirm_document(self, principal: Principal, document_sha256: str) -> str:
        """Confirm the one document a token is bound to, once; returns a signed statement (compact JWS).

        Raises: NotPermitted for another document, or when the act was done before or withdrawn.
        """
        detail = _detail(principal, DOCUMENT_SIGNATURE)
        if detail["document_sha256"] != document_sha256:
            raise NotPermitted("The access token is bound to another document.")
        confirmation_id, mint = new_id("cnf"), await self._parts.mint()
        async with self._parts.database.transaction() as connection:
            await self._use(connection, principal, detail)
            event = AuditEvent(
                "idp.document_confirm", "document", document_sha256, {"confirmation_id": confirmation_id}
            )
            await self._parts.audit.record(connection, principal, event)
        client = await self._parts.clients.get(principal.client_id or "")
        if client is None:
            raise NotPermitted("The client is not active.")
        claims = {
            "iss": self._parts.issuer,
            "aud": client.client_id,
            "sub": mint.subject(client.sector_identifier, principal.subject_id),
            "iat": int(self._parts.clock.now().timestamp()),
            "jti": confirmation_id,
            "acr": principal.acr,
            "amr": list(principal.amr),
            "document_sha256": document_sha256,
            "document_name": detail["document_name"],
        }
        return self._parts.signer.sign(claims, typ=CONFIRMATION_TYPE)

    async def _use(self, connection: AsyncConnection, principal: Principal, detail: Mapping[str, Any]) -> None:
        now, table = self._parts.clock.now(), oauth_grants
        unused = table.c.details_used_at.is_(None)
        statement = (
            update(table)
            .where(
                table.c.grant_id == principal.grant_id,
                table.c.revoked_at.is_(None),
                table.c.expires_at > now,
                client_active(table.c.client_id),
                *(() if detail.get("use") == PERIOD else (unused,)),
            )
            .values(details_used_at=func.coalesce(table.c.details_used_at, now))
        )
        if not usable(detail, None, now) or (await connection.execute(statement)).rowcount != 1:
            raise NotPermitted("What the person allowed was done before, is over, or was withdrawn.")


def _detail(principal: Principal, kind: str) -> Mapping[str, Any]:
    detail = principal.authorization
    if detail is None or detail.get("type") != kind or principal.grant_id is None:
        raise NotPermitted("The access token is not bound to such an act.")
    return detail
