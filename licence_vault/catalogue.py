"""The type catalogue (证照目录, GB/T 36902): which licences exist, their schema, template and rules."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from foundation.audit import AuditEvent
from foundation.errors import Conflict, NotPermitted
from foundation.principal import PrincipalKind
from licence_vault.definitions import LicenceType, check_type, type_from_json
from licence_vault.errors import InvalidTypeDefinition, UnknownLicenceType
from licence_vault.schema import FaceSchema
from licence_vault.tables import licence_types

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal

TYPES_DIRECTORY = Path(__file__).parent / "types"
__all__ = ["Catalogue", "LicenceType", "publish_seeded_types", "seeded_types"]

FRESH_SECONDS = 1.0
"""How long a process may go on with the version it knows."""


class Catalogue:
    """Reads and publishes types; a published version never changes."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._versions: dict[tuple[str, int], LicenceType] = {}
        self._current: dict[str, int] = {}
        self._read_at = float("-inf")

    async def types(self) -> tuple[LicenceType, ...]:
        """Return the current version of every published type, by code."""
        await self._refresh()
        return tuple(self._versions[item] for item in sorted(self._current.items()))

    async def get(self, type_code: str, version: int | None = None) -> LicenceType:
        """Return a type, the current version unless one is named; raises UnknownLicenceType."""
        if version is not None and (type_code, version) in self._versions:
            return self._versions[type_code, version]
        await self._refresh()
        wanted = (type_code, self._current.get(type_code, 0) if version is None else version)
        if wanted not in self._versions:
            await self._read_version(*wanted)
        if wanted not in self._versions:
            raise UnknownLicenceType("没有这个证照类型 / no such licence type.", field="type_code")
        return self._versions[wanted]

    async def schema(self, licence_type: LicenceType) -> FaceSchema:
        """Return the compiled schema of a type."""
        return _compiled(json.dumps(licence_type.schema, ensure_ascii=False))

    async def publish(self, principal: Principal, licence_type: LicenceType) -> LicenceType:
        """Check a definition and publish it as the next version; the same definition again changes nothing.

        Raises: NotPermitted unless an operator or the system asks; InvalidTypeDefinition; Conflict.
        """
        if principal.kind not in (PrincipalKind.OPERATOR, PrincipalKind.SYSTEM):
            raise NotPermitted("Only operators publish licence types.")
        check_type(licence_type)
        await self._refresh(force=True)
        current = self._current.get(licence_type.code, 0)
        if current and self._versions[licence_type.code, current].digest() == licence_type.digest():
            return self._versions[licence_type.code, current]
        published = replace(licence_type, version=current + 1)
        try:
            await self._insert(principal, published)
        except IntegrityError as error:
            raise Conflict("Somebody else published this type at the same time.") from error
        await self._refresh(force=True)
        return published

    async def _insert(self, principal: Principal, published: LicenceType) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                insert(licence_types).values(
                    type_code=published.code,
                    version=published.version,
                    definition=published.to_json(),
                    digest=published.digest(),
                    published_at=self._clock.now(),
                    published_by=principal.audit_name,
                )
            )
            detail = {"version": published.version, "digest": published.digest().hex()}
            event = AuditEvent("licence_vault.publish_type", "licence_type", published.code, detail)
            await self._audit.record(connection, principal, event)

    async def _refresh(self, *, force: bool = False) -> None:
        if not force and time.monotonic() - self._read_at < FRESH_SECONDS:
            return
        read_at = time.monotonic()
        newest = select(licence_types.c.type_code, func.max(licence_types.c.version)).group_by(
            licence_types.c.type_code
        )
        async with self._database.read() as connection:
            current = {code: int(version) for code, version in await connection.execute(newest)}
        for code, version in current.items():
            if (code, version) not in self._versions:
                await self._read_version(code, version)
        self._current, self._read_at = current, read_at

    async def _read_version(self, type_code: str, version: int) -> None:
        statement = select(licence_types.c.definition).where(
            licence_types.c.type_code == type_code, licence_types.c.version == version
        )
        async with self._database.read() as connection:
            definition: dict[str, Any] | None = (await connection.execute(statement)).scalar_one_or_none()
        if definition is not None:
            self._versions[type_code, version] = type_from_json(definition)


@lru_cache(maxsize=1024)
def _compiled(schema: str) -> FaceSchema:
    return FaceSchema(json.loads(schema))


def seeded_types(directory: Path = TYPES_DIRECTORY) -> Iterator[LicenceType]:
    """Yield the definitions of a directory, by code; the base library and standard face are the package's.

    Raises: InvalidTypeDefinition for a file that is missing or no JSON, `field` naming the directory.
    """
    base = (TYPES_DIRECTORY / "base.typ").read_text("utf-8")
    for place in sorted(path for path in directory.iterdir() if path.is_dir()):
        try:
            definition = json.loads((place / "type.json").read_text("utf-8"))
            template = base + "\n" + _face(place, definition.pop("style", None))
        except (OSError, ValueError, AttributeError) as error:
            raise InvalidTypeDefinition("type.json or face.typ is missing or unreadable.", field=place.name) from error
        yield type_from_json(definition | {"code": place.name, "version": 1, "template": template})


def _face(directory: Path, style: dict[str, str] | None) -> str:
    """Return a type's own face, or the standard one in the type's style."""
    if style is None:
        return (directory / "face.typ").read_text("utf-8")
    named = ", ".join(f'{name}: "{value}"' for name, value in style.items())
    return f"#let style = ({named})\n" + (TYPES_DIRECTORY / "standard.typ").read_text("utf-8")


async def publish_seeded_types(catalogue: Catalogue, principal: Principal, directory: Path = TYPES_DIRECTORY) -> int:
    """Publish every definition of a directory that is new or changed; return how many there are."""
    count = 0
    for licence_type in seeded_types(directory):
        await catalogue.publish(principal, licence_type)
        count += 1
    return count
