"""What another provider vouches for: its word on who somebody is, kept as evidence beside all other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.clock import civil_date
from foundation.errors import InvalidInput
from foundation.identity_numbers import parse_citizen_id_number
from foundation.principal import Channel, Principal, PrincipalKind
from idp.people.account_repository import Accounts, Persons
from idp.people.errors import RealNameConflict
from idp.people.gateway import GatewayAnswer
from idp.people.methods.base import person_name
from idp.people.proof import Method, Outcome
from idp.people.proof_ledger import Asked, conclude
from idp.people.proof_repository import Proofs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from idp.people.account import Account
    from idp.people.tools import Tools
    from idp.ports import Statement

KEPT_ANEW = timedelta(days=1)
"""How often the same word of the same provider is written down again."""


class VouchedEvidence:
    """Keeps statements of other providers; what they count for is the levels policy's to say."""

    def __init__(self, tools: Tools) -> None:
        """Take the shared collaborators."""
        self._tools = tools

    async def keep(self, account_id: str, statement: Statement, linked_at: datetime) -> None:
        """Keep a statement on the person behind a linked account.

        Nothing is kept of a malformed name or number, nor once evidence of this provider on this
        account was withdrawn after the link was made: what was disputed does not come back by
        itself. Raises: RealNameConflict, committed for an officer to settle, when it contradicts
        what is on record.
        """
        elements = self._elements(statement)
        if elements is None:
            return
        principal = Principal(PrincipalKind.PERSON, account_id, channel=Channel.WEB)
        async with self._tools.database.transaction() as connection:
            account = await Accounts(connection, self._tools.cipher).by_id(account_id)
            if account is None or not await self._news(connection, account, statement, elements, linked_at):
                return
            evidence_id = await Proofs(connection, self._tools.cipher).begin(
                account_id, Method.UPSTREAM, elements, principal.channel, self._tools.clock.now()
            )
            asked = Asked(account, Method.UPSTREAM, elements, evidence_id)
            answer = GatewayAnswer(Outcome.MATCH, statement.issuer, statement.stated)
            conclusion = await conclude(connection, self._tools, principal, asked, answer)
        if conclusion.conflict:
            raise RealNameConflict("The other provider contradicts what is on record; an officer will look into it.")

    def _elements(self, statement: Statement) -> dict[str, str] | None:
        try:
            today = civil_date(self._tools.clock.now())
            number = str(parse_citizen_id_number(statement.unverified_number, today=today))
            return {"name": person_name(statement.unverified_name), "citizen_id_number": number}
        except InvalidInput:
            return None

    async def _news(
        self,
        connection: AsyncConnection,
        account: Account,
        statement: Statement,
        elements: Mapping[str, str],
        linked_at: datetime,
    ) -> bool:
        """Tell whether a statement adds anything that may be added."""
        earlier = await Proofs(connection, self._tools.cipher).vouched(account.account_id, statement.issuer)
        if any(each.withdrawn_at is not None and each.withdrawn_at > linked_at for each in earlier):
            return False
        person_id = account.person_id
        person = None if person_id is None else await Persons(connection, self._tools.cipher).by_id(person_id)
        if person is None or (person.name, person.document_number) != tuple(elements.values()):
            return True
        since = self._tools.clock.now() - KEPT_ANEW
        return not any(
            each.withdrawn_at is None and each.transaction_id == statement.stated and each.verified_at > since
            for each in earlier
        )
