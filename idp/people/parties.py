"""Who somebody acts as: the own person, or an enterprise; and how another person is named."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput, NotPermitted, StepUpRequired
from foundation.principal import PrincipalKind
from idp.people.account import normalise_username
from idp.people.account_repository import Accounts, Persons
from idp.people.mandate import PartyKind
from idp.people.methods.base import person_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from foundation.principal import Principal

NEEDED_LEVEL = "L2"


@dataclass(frozen=True, slots=True)
class Named:
    """Another person, named by the username and the real name of a proven account; both unverified."""

    username: str
    name: str = field(repr=False)


def party_of(principal: Principal) -> tuple[PartyKind, str]:
    """Return in whose name the principal acts; raises StepUpRequired below L2, NotPermitted for others."""
    if principal.kind is PrincipalKind.ENTERPRISE:
        return PartyKind.ENTERPRISE, principal.subject_id
    return PartyKind.PERSON, proven_person(principal)


def proven_person(principal: Principal) -> str:
    """Return the principal's own person; raises StepUpRequired below L2, NotPermitted for others."""
    if principal.kind is not PrincipalKind.PERSON:
        raise NotPermitted("Only a natural person does this.")
    if principal.person_id is None or principal.acr < NEEDED_LEVEL:
        raise StepUpRequired("Prove your real name first.", acr_values=NEEDED_LEVEL)
    return principal.person_id


async def find_named(connection: AsyncConnection, cipher: FieldCipher, named: Named, field_name: str) -> str:
    """Return the person behind a username and a name; one answer for every way it can be wrong."""
    try:
        username, name = normalise_username(named.username), person_name(named.name)
    except InvalidInput:
        raise InvalidInput("No proven account has this username and name.", field=field_name) from None
    row = await Accounts(connection, cipher).sign_in_row(username)
    person = None
    if row is not None and row.username == username and row.person_id is not None:
        person = await Persons(connection, cipher).by_id(row.person_id)
    if person is None or not hmac.compare_digest(person.name.encode(), name.encode()):
        raise InvalidInput("No proven account has this username and name.", field=field_name)
    return person.person_id
