"""Joins packages that are strangers to each other, each through the other's port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.errors import NotFound, NotPermitted
from foundation.principal import PrincipalKind
from idp.people.officers import ANY, Authority

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.accounts import PersonService
    from idp.people.officers import OfficerService
    from idp.people.passkeys import PasskeyService
    from idp.people.second_factors import SecondFactorService
    from signing.model import SecondFactor


class VaultHolders:
    """`licence_vault.ports.HolderIndexes` over the proven persons of `idp`."""

    def __init__(self, persons: PersonService) -> None:
        """Take the persons."""
        self._persons = persons

    async def of_person(self, connection: AsyncConnection, person_id: str) -> tuple[bytes, ...]:  # noqa: ARG002 - the port offers its connection, the person service reads on its own
        """Return the indexes of every document number the person has proven."""
        try:
            return (await self._persons.holder_index(person_id),)
        except NotFound:
            return ()

    async def accounts_of(self, connection: AsyncConnection, holder_index: bytes) -> tuple[str, ...]:
        """Return the active accounts behind an index."""
        return await self._persons.accounts_of_holder(connection, holder_index)


class VaultOfficers:
    """`licence_vault.ports.IssuingOfficers` over the authorities of `idp`."""

    def __init__(self, officers: OfficerService) -> None:
        """Take the officers."""
        self._officers = officers

    async def require_issuing(self, principal: Principal, matter_code: str | None) -> None:
        """Raise NotPermitted unless the officer may issue for this matter, in the own district."""
        if principal.kind is not PrincipalKind.OFFICER:
            raise NotPermitted("Only an officer may issue by hand.")
        officer = await self._officers.get(principal.subject_id)
        await self._officers.require(principal, Authority.ISSUING, officer.district_code, matter_code or ANY)


class SealSecondFactors:
    """`signing.ports.SecondFactors` over the one-time codes and passkeys of `idp`."""

    def __init__(self, second_factors: SecondFactorService, passkeys: PasskeyService) -> None:
        """Take both kinds of second factor."""
        self._second_factors = second_factors
        self._passkeys = passkeys

    async def verify(
        self, connection: AsyncConnection, principal: Principal, factor: SecondFactor, challenge: bytes
    ) -> str:
        """Consume a one-time code, or check that the officer's passkey signed the challenge, in the transaction."""
        if factor.method == "totp":
            return (await self._second_factors.verify(connection, principal, factor.response)).reference
        if factor.method == "passkey":
            proof = await self._passkeys.verify_act(connection, principal, factor.response, challenge)
            return proof.reference
        raise NotPermitted("A one-time code or a passkey confirms a seal.", field="second_factor.method")
