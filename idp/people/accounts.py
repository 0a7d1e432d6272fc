"""Accounts: registering, reading, changing the password, the facts a token may state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Channel, Principal
    from idp.people.account import Account, Person


class AccountService:
    """Use cases of an account."""

    async def register(
        self,
        unverified_username: str,
        unverified_password: str,
        mobile: str | None = None,
        *,
        source: str,
        channel: Channel,
    ) -> Account:
        """Create a natural person's account at L0.

        Args:
            unverified_username: as typed; normalised here.
            unverified_password: as typed; checked for strength and against common passwords.
            mobile: optional, as typed; unproven until a one-time code confirms it.
            source: the caller's address, for the throttle only.
            channel: where the act came in.

        Raises: InvalidInput, WeakPassword, UsernameTaken, TooManyRequests.
        """
        raise NotImplementedError

    async def get(self, account_id: str) -> Account:
        """Return an account; raises NotFound."""
        raise NotImplementedError

    async def person(self, account_id: str) -> Person | None:
        """Return the proven person behind an account, or None."""
        raise NotImplementedError

    async def claims(self, account_id: str, scopes: Collection[str]) -> dict[str, Any]:
        """Return the OpenID claims `profile`, `phone` and `real_name` open, `sub` not among them.

        `profile`: preferred_username, updated_at, and the masked name. `phone`: phone_number,
        phone_number_verified. `real_name`: name, and `verified_claims` (OpenID Identity
        Assurance) with name, document number and the evidence that counts now.
        """
        raise NotImplementedError

    async def change_password(self, principal: Principal, unverified_old: str, unverified_new: str) -> None:
        """Replace the password and end every other session; raises SignInRefused, WeakPassword."""
        raise NotImplementedError


class PersonService:
    """Facts about proven persons, for other parts of the service."""

    async def level_of(self, person_id: str) -> str:
        """Return the level the person's unexpired evidence supports now, such as `L2`."""
        raise NotImplementedError

    async def holder_index(self, person_id: str) -> bytes:
        """Return the blind index of the document number under context `holder_code`."""
        raise NotImplementedError

    async def accounts_of_holder(self, connection: AsyncConnection, holder_index: bytes) -> tuple[str, ...]:
        """Return the active accounts of the person a holder index stands for; empty when unknown."""
        raise NotImplementedError
