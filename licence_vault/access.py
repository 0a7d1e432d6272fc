"""Who may read a licence, by which way, and which of its fields. Pure decisions.

Everybody else gets LicenceNotFound: whether a licence exists is itself told to nobody
without a right to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from foundation.principal import PrincipalKind
from licence_vault.definitions import ANY
from licence_vault.model import Holder, Licence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation.principal import Principal
    from licence_vault.definitions import LicenceType
    from licence_vault.model import Purpose
    from licence_vault.repository import StoredLicence

READ_SCOPE = "licence:read"
STATUS_SCOPE = "licence:status"


class Way(StrEnum):
    """How a reader came to a licence."""

    HOLDER = "holder"
    ISSUER = "issuer"
    EX_OFFICIO = "ex_officio"
    SHOWN = "shown"
    MANDATE = "mandate"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A way in; `fields` None means all of them."""

    way: Way
    fields: frozenset[str] | None = None

    @property
    def own(self) -> bool:
        """Tell whether the holder reads for themself."""
        return self.way is Way.HOLDER


def is_holder(principal: Principal) -> bool:
    """Tell whether a principal can be a holder: a signed-in, proven person, or somebody acting for an enterprise.

    A token bound to one act speaks for the person in that act only.
    """
    return principal.authorization is None and party_of(principal) is not None


def party_of(principal: Principal) -> str | None:
    """Return the id of the person or enterprise that a signed-in principal speaks for."""
    if principal.kind is PrincipalKind.ENTERPRISE and principal.organisation_code is not None:
        return principal.subject_id
    return principal.person_id if principal.kind is PrincipalKind.PERSON else None


def works_for(principal: Principal, organisation_code: str, scope: str = READ_SCOPE) -> bool:
    """Tell whether the principal is an organisation's officer, or its client with the scope."""
    if principal.organisation_code != organisation_code:
        return False
    return principal.kind is PrincipalKind.OFFICER or (
        principal.kind is PrincipalKind.CLIENT and scope in principal.scopes
    )


def entitlement(
    principal: Principal,
    stored: StoredLicence,
    licence_type: LicenceType,
    *,
    holder_indexes: Iterable[bytes],
    purpose: Purpose,
) -> Entitlement | None:
    """Return the way in, or None."""
    if is_holder(principal) and stored.holder_indexes & set(holder_indexes):
        return Entitlement(Way.HOLDER)
    if works_for(principal, stored.issuer_code):
        return Entitlement(Way.ISSUER)
    return shared(principal, licence_type, purpose)


def reads_ex_officio(principal: Principal) -> bool:
    """Tell whether a principal may read other departments' licences at all.

    An officer may, and a client with the scope whose tokens are bound to its key.
    """
    if principal.kind is PrincipalKind.OFFICER:
        return principal.organisation_code is not None
    return (
        principal.kind is PrincipalKind.CLIENT
        and principal.organisation_code is not None
        and READ_SCOPE in principal.scopes
        and principal.sender_constrained
    )


def complete(principal: Principal, purpose: Purpose) -> bool:
    """Tell whether a purpose names matter, case and reason, and for a client the operator."""
    named = bool(purpose.matter_code and purpose.case_number and purpose.reason)
    return named and (principal.kind is PrincipalKind.OFFICER or bool(purpose.operator))


def shared(principal: Principal, licence_type: LicenceType, purpose: Purpose) -> Entitlement | None:
    """Return what the type's sharing list allows a department, for a matter and with a case behind it."""
    organisation, matter = principal.organisation_code, purpose.matter_code
    if organisation is None or matter is None or not reads_ex_officio(principal) or not complete(principal, purpose):
        return None
    rules = [rule for rule in licence_type.sharing if rule.covers(organisation, matter)]
    if not rules:
        return None
    named = {name for rule in rules for name in rule.fields}
    return Entitlement(Way.EX_OFFICIO, None if ANY in named else frozenset(named))


def masked(licence: Licence, granted: Entitlement) -> Licence:
    """Return the licence with only the fields the entitlement covers; holder codes keep their ends."""
    if granted.fields is None:
        return licence
    face = {name: value for name, value in licence.face.items() if name in granted.fields}
    holders = tuple(Holder(one.name, one.code_type, mask_code(one.code)) for one in licence.holders)
    return replace(licence, face=face, holders=holders, qr_text="", masked=True)


def mask_code(code: str) -> str:
    """Return a code with its middle hidden, such as `5***********4X`-like texts in lists."""
    if len(code) <= 5:  # noqa: PLR2004 - too short to keep both ends
        return "*" * len(code)
    return code[0] + "*" * (len(code) - 3) + code[-2:]
