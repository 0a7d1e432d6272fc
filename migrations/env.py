"""Alembic environment: runs the migrations over one asyncpg connection."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from alembic import context
from sqlalchemy import pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from foundation.database import metadata, sqlalchemy_url

if TYPE_CHECKING:
    from sqlalchemy import Connection


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
    with context.begin_transaction():
        # Two processes of one deployment start together: the second waits here and finds nothing left to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('hufu.migrate'))"))
        context.run_migrations()


async def _run(url: str) -> None:
    engine = create_async_engine(sqlalchemy_url(url), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(_run(context.config.attributes.get("url") or os.environ["HUFU_DATABASE_URL"]))
