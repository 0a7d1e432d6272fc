"""Compiled statements: values both ways, one transaction each, and what happens when something fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import bindparam, func, insert, literal, select, text

from foundation.database import Database
from foundation.errors import ServiceUnavailable
from foundation.statements import Statement
from foundation.tables import audit_log
from tests.conftest import NOW
from tests.support.tcp_proxy import TcpProxy

ROW = {
    "recorded_at": NOW,
    "actor": "system",
    "action": "test.act",
    "object_type": "thing",
    "object_id": "1",
    "channel": "system",
    "detail": {"名": ["值", 1, None]},
    "salt": b"\0" * 32,
    "commitment": b"\1" * 32,
}
ADD = Statement(insert(audit_log).returning(audit_log.c.audit_id), columns=tuple(ROW))
READ = Statement(
    select(audit_log, literal("same").label("fixed")).where(audit_log.c.object_id == bindparam("object_id"))
)
FAILS = Statement(select(literal(1) / bindparam("by")))
SLEEPS = Statement(select(func.pg_sleep(bindparam("seconds"))))
OWN_BACKEND = Statement(select(func.pg_backend_pid().label("pid")))
PLANS = Statement(text("SELECT sum(generic_plans) AS kept, sum(custom_plans) AS made_anew FROM pg_prepared_statements"))
END_SELF = Statement(select(func.pg_terminate_backend(func.pg_backend_pid())))
END_BACKEND = Statement(select(func.pg_terminate_backend(bindparam("pid"))))


async def test_values_come_back_as_they_went(database: Database) -> None:
    written = await database.fetch_one(ADD, **ROW)
    assert written is not None
    read = await database.fetch_one(READ, object_id="1")
    assert read is not None
    assert {name: read[name] for name in ROW} == ROW
    assert read.recorded_at - NOW == timedelta(0)
    assert (read.audit_id, read.fixed) == (written.audit_id, "same")
    assert await database.fetch_one(READ, object_id="2") is None
    async with database.read() as connection:
        assert (await connection.execute(select(audit_log.c.detail))).scalar_one() == ROW["detail"]


async def test_statements_of_one_transaction_take_effect_together(database: Database) -> None:
    async with database.statements() as transaction:
        await transaction.fetch_one(ADD, **ROW)
        assert await database.fetch_one(READ, object_id="1") is None, "not committed yet"
    assert await database.fetch_one(READ, object_id="1") is not None
    before = (await database.fetch(OWN_BACKEND))[0].pid

    async def add_and(statement: Statement, **parameters: object) -> None:
        async with database.statements() as transaction:
            await transaction.fetch_one(ADD, **{**ROW, "object_id": "2"})
            await transaction.fetch_one(statement, **parameters)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await add_and(FAILS, by=0)
    with pytest.raises(KeyError):
        await add_and(FAILS)
    with pytest.raises(ServiceUnavailable):
        await add_and(END_SELF)
    assert await database.fetch_one(READ, object_id="2") is None
    assert (await database.fetch(OWN_BACKEND))[0].pid != before


async def test_a_statement_is_planned_once_a_connection(database: Database) -> None:
    for number in range(8):
        await database.fetch(READ, object_id=str(number))
    plans = (await database.fetch(PLANS))[0]
    assert plans.kept >= 8
    assert plans.made_anew == 0


async def test_a_refused_transaction_keeps_its_connection(database: Database) -> None:
    before = (await database.fetch(OWN_BACKEND))[0].pid
    with pytest.raises(LookupError):
        await _refuse_in_statements(database)
    assert (await database.fetch(OWN_BACKEND))[0].pid == before
    assert await database.fetch_one(READ, object_id="1") is None


async def _refuse_in_statements(database: Database) -> None:
    async with database.statements() as transaction:
        await transaction.fetch_one(ADD, **ROW)
        raise LookupError


async def test_a_missing_parameter_and_a_wrong_type_are_our_own_errors(database: Database) -> None:
    with pytest.raises(KeyError, match="object_id"):
        await database.fetch(READ)
    with pytest.raises(asyncpg.DataError):
        await database.fetch(READ, object_id=7)
    with pytest.raises(AttributeError):
        _ = (await database.fetch(OWN_BACKEND))[0].nothing


async def test_a_refused_statement_leaves_the_connection_in_use(database: Database) -> None:
    before = (await database.fetch(OWN_BACKEND))[0].pid
    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.fetch(FAILS, by=0)
    assert (await database.fetch(OWN_BACKEND))[0].pid == before


async def test_a_cancelled_statement_takes_its_connection_along(database: Database) -> None:
    before = (await database.fetch(OWN_BACKEND))[0].pid
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await database.fetch(SLEEPS, seconds=5)
    assert (await database.fetch(OWN_BACKEND))[0].pid != before


async def test_a_connection_the_server_ended_is_replaced(database: Database) -> None:
    pid = (await database.fetch(OWN_BACKEND))[0].pid
    with pytest.raises(ServiceUnavailable):
        await database.fetch(END_BACKEND, pid=pid)
    assert (await database.fetch(OWN_BACKEND))[0].pid != pid


async def test_a_database_that_was_away_is_asked_again(migrated_database_url: str) -> None:
    async with TcpProxy(migrated_database_url) as proxy:
        database = Database(proxy.url, pool_size=3)
        await database.fetch(OWN_BACKEND)
        await proxy.cut()
        for _ in range(2):
            with pytest.raises(ServiceUnavailable):
                await database.fetch(OWN_BACKEND)
        await proxy.heal()
        await database.fetch(OWN_BACKEND)
        await database.close()


async def test_an_error_of_the_callers_own_files_is_not_the_database(database: Database) -> None:
    with pytest.raises(FileNotFoundError):
        await _fail_in_a_transaction(database)
    with pytest.raises(TimeoutError):
        async with database.read():
            raise TimeoutError


async def _fail_in_a_transaction(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(select(1))
        raise FileNotFoundError
