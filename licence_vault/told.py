"""Whose inboxes hear of a licence: its holders', and for an enterprise those of who answers for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from licence_vault.holders import CREDIT_CODE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from licence_vault.ports import HolderIndexes
    from licence_vault.repository import StoredLicence


async def accounts_told(connection: AsyncConnection, holders: HolderIndexes, stored: StoredLicence) -> Iterable[str]:
    """Return the active accounts, each once."""
    told: dict[str, None] = {}
    for index in sorted(stored.holder_indexes):
        told |= dict.fromkeys(await holders.accounts_of(connection, index))
    for holder in stored.holders:
        if holder.code_type == CREDIT_CODE:
            told |= dict.fromkeys(await holders.accounts_answering_for(connection, holder.code))
    return told
