"""Licence records in memory, in the shape of the port."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

IDENTIFIER = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"


@dataclass(frozen=True)
class Holder:
    name: str
    code: str


@dataclass(frozen=True)
class Record:
    identifier: str = IDENTIFIER
    type_code: str = "11100000000013338W011"
    type_name: str = "食品经营许可证"
    issuer_code: str = "11430000006122244L"
    issuer_name: str = "演示市市场监督管理局"
    holders: tuple[Holder, ...] = (Holder("陈伟", "500101199003071232"), Holder("王芳", "500101198801012345"))
    valid_from: date = date(2026, 1, 1)
    valid_to: date | None = date(2030, 12, 31)
    state: str = "valid"
    state_effective_at: datetime | None = datetime(2026, 1, 1, tzinfo=UTC)
    metadata: Mapping[str, str] = field(default_factory=lambda: {"ZZMC": "食品经营许可证", "ZZBS": IDENTIFIER})
    document_sha256: tuple[bytes, ...] = ()


class Records:
    """Answers with one record, in the state a test gives it."""

    def __init__(self, record: Record | None = None) -> None:
        self.record = record

    def become(self, **changes: object) -> None:
        self.record = replace(self.record or Record(), **changes)  # type: ignore[arg-type]

    async def find(
        self,
        connection: AsyncConnection,
        identifier: str,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Record | None:
        del connection, at, known_at
        return self.record if self.record is not None and self.record.identifier == identifier else None

    async def current(self, identifier: str) -> Record | None:
        return self.record if self.record is not None and self.record.identifier == identifier else None

    async def find_document(self, sha256: bytes) -> str | None:
        return self.record.identifier if self.record is not None and sha256 in self.record.document_sha256 else None
