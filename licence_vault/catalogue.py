"""The type catalogue (证照目录, GB/T 36902): which licences exist, their schema, template and rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from licence_vault.model import HolderKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal


@dataclass(frozen=True, slots=True)
class LicenceType:
    """One published version of a type.

    Attributes:
        code: the defining authority's credit code followed by three digits.
        holder_code_types: annex-A code types a holder may carry.
        validity: `long_term`, `fixed` or `either`; with `max_years` for the fixed.
        schema: JSON Schema (2020-12) of the face data; `title` of a property is its Chinese name.
        sharing: who else may read which fields for which matters.
    """

    code: str
    version: int
    name: str
    english_name: str
    defining_authority: str
    issuer_level: str
    holder_kind: HolderKind
    holder_code_types: tuple[str, ...]
    max_holders: int
    validity: str
    max_years: int | None
    schema: Mapping[str, Any]
    template: str
    sharing: tuple[SharingRule, ...]


@dataclass(frozen=True, slots=True)
class SharingRule:
    """A line of the sharing list: a department (or `*`) may read fields (or `*`) for matters (or `*`)."""

    organisation_code: str
    matters: tuple[str, ...]
    fields: tuple[str, ...]


class Catalogue:
    """Reads and publishes types; a published version never changes."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    async def types(self) -> tuple[LicenceType, ...]:
        """Return the current version of every published type, by code."""
        raise NotImplementedError

    async def get(self, type_code: str, version: int | None = None) -> LicenceType:
        """Return a type, the current version unless one is named; raises UnknownLicenceType."""
        raise NotImplementedError

    async def publish(self, principal: Principal, licence_type: LicenceType) -> LicenceType:
        """Check a definition and publish it as the next version; raises InvalidTypeDefinition."""
        raise NotImplementedError
