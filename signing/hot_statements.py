"""The statements of every sealing, compiled once and sent without anything between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from foundation.statements import Statement
from signing.intention_repository import COMPLETE, intention_values
from signing.model import IntentionState
from signing.seal_repository import FACTS, in_use, seal_of
from signing.tables import seal_intentions, seals

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.statements import StatementTransaction
    from signing.intention import Intention
    from signing.intention_repository import Outcome
    from signing.model import Seal

_COLUMNS = tuple(column for column in seal_intentions.c if column.name not in {"finished_at", "failure"})
_SEAL = Statement(select(*FACTS).where(seals.c.seal_id == bindparam("seal_id")))
_INTEND = Statement(
    insert(seal_intentions)
    .from_select(
        [column.name for column in _COLUMNS],
        select(*(bindparam(column.name, type_=column.type) for column in _COLUMNS)).where(
            select(seals.c.seal_id).where(in_use(bindparam("seal_id"), bindparam("key_id"))).exists()
        ),
    )
    .returning(seal_intentions.c.intention_id)
)

_COMPLETE = Statement(COMPLETE)


async def find_seal(database: Database, seal_id: str) -> Seal | None:
    """Return a seal or None."""
    row = await database.fetch_one(_SEAL, seal_id=seal_id)
    return None if row is None else seal_of(row)


async def intend(database: Database, intention: Intention) -> bool:
    """Write and commit a department system's intention if the seal may be used now; tell whether it was written."""
    values = intention_values(intention, IntentionState.INTENDED)
    return await database.fetch_one(_INTEND, **values) is not None


async def complete(transaction: StatementTransaction, intention_id: str, outcome: Outcome) -> int | None:
    """Write use and document as `IntentionRepository.complete` does."""
    row = await transaction.fetch_one(_COMPLETE, **outcome.parameters(intention_id))
    return None if row is None else int(row.use_number)
