"""Joins the provider to `idp.people`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation.errors import NotFound
from foundation.principal import PrincipalKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from idp.oauth.grant import Grant
    from idp.people.accounts import AccountService
    from idp.people.officers import OfficerService


class AccountSubjects:
    """Tells what accounts may state about themselves."""

    def __init__(self, accounts: AccountService, officers: OfficerService) -> None:
        """Take the accounts and the posts of officers."""
        self._accounts = accounts
        self._officers = officers

    async def claims(self, grant: Grant, scopes: Collection[str]) -> dict[str, Any] | None:
        """Return the claims the scopes open; None when the account is gone, suspended or closed, or the post over.

        An officer is known by the post: its `sub`, and under `profile` what it is and what it may do.
        Enterprises have no personal claims to state; their `sub` is all there is.
        """
        if grant.subject_kind is PrincipalKind.OFFICER:
            return await self._officers.claims(grant.account_id, scopes)
        if grant.subject_kind is not PrincipalKind.PERSON:
            return {}
        if not scopes:  # most token requests only ask whether the account still stands
            return {} if await self._accounts.stands(grant.account_id) else None
        try:
            return await self._accounts.claims(grant.account_id, scopes)
        except NotFound:
            return None

    async def find(self, login_hint: str) -> str | None:
        """Return the active account that signs in with a name or proven mobile number, or None."""
        return await self._accounts.find(login_hint)
