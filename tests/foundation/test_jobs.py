"""Work is queued with its cause, tried again, held when it keeps failing, and stopped cleanly."""

from __future__ import annotations

import asyncio
import urllib.request
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from foundation.batches import Batches
from foundation.errors import InvalidInput, ServiceUnavailable
from foundation.jobs import Handler, JobHandler, Jobs, PeriodicJob, QueueDepth, Schedule, Worker
from foundation.metrics import scraped
from hufu.launcher_place import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import FixedClock
    from foundation.database import Database

SOON = timedelta(milliseconds=50)


def worker(database: Database, url: str, handlers: Mapping[str, JobHandler | Handler]) -> Worker:
    return Worker(database, url, handlers)


class Recorder:
    """A handler that remembers what it got and fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.seen: list[Mapping[str, Any]] = []
        self.failures = failures

    async def __call__(self, payload: Mapping[str, Any]) -> None:
        self.seen.append(payload)
        if len(self.seen) <= self.failures:
            message = "陈伟 500101199003078519 was not reachable"
            raise ValueError(message)


async def test_a_job_runs_with_its_payload_once_committed(database: Database, migrated_database_url: str) -> None:
    recorder = Recorder()
    async with database.transaction() as connection:
        await Jobs().enqueue(connection, "demo.hello", {"licence": "lic_1"})
    await worker(database, migrated_database_url, {"demo.hello": recorder}).drain()
    assert recorder.seen == [{"licence": "lic_1"}]


async def test_a_rolled_back_cause_leaves_no_job(database: Database, migrated_database_url: str) -> None:
    recorder = Recorder()
    with pytest.raises(RuntimeError):
        await _enqueue_and_fail(database)
    await worker(database, migrated_database_url, {"demo.hello": recorder}).drain()
    assert recorder.seen == []


async def _enqueue_and_fail(database: Database) -> None:
    async with database.transaction() as connection:
        await Jobs().enqueue(connection, "demo.hello", {})
        raise RuntimeError


async def test_a_waiting_job_with_the_same_key_suffices(database: Database, migrated_database_url: str) -> None:
    recorder, jobs = Recorder(), Jobs()
    for _ in range(3):
        async with database.transaction() as connection:
            await jobs.enqueue(connection, "demo.hello", {}, Schedule(once_key="k"))
    await worker(database, migrated_database_url, {"demo.hello": recorder}).drain()
    assert len(recorder.seen) == 1


async def test_a_failing_job_is_tried_again(database: Database, migrated_database_url: str) -> None:
    recorder = Recorder(failures=2)
    async with database.transaction() as connection:
        await Jobs().enqueue(connection, "demo.flaky", {})
    handler = JobHandler(recorder, attempts=5, first_pause=SOON)
    await worker(database, migrated_database_url, {"demo.flaky": handler}).drain()
    assert len(recorder.seen) == 3


async def test_a_hopeless_job_is_held_without_the_words_of_its_error_and_can_be_released(
    database: Database, migrated_database_url: str
) -> None:
    recorder, jobs = Recorder(failures=2), Jobs()
    async with database.transaction() as connection:
        await jobs.enqueue(connection, "demo.hopeless", {})
    handler = JobHandler(recorder, attempts=2, first_pause=SOON)
    await worker(database, migrated_database_url, {"demo.hopeless": handler}).drain()
    async with database.transaction() as connection:
        assert await jobs.depths(connection) == (QueueDepth("demo.hopeless", "failed", 1),)
        logged = (
            await connection.execute(text("SELECT string_agg(traceback::text, '') FROM pgqueuer_log"))
        ).scalar_one()
        assert await jobs.release(connection, "demo.hopeless") == 1
    assert "ValueError" in logged
    assert "500101199003078519" not in logged
    await worker(database, migrated_database_url, {"demo.hopeless": handler}).drain()
    assert len(recorder.seen) == 3


async def test_stop_lets_the_running_job_end(database: Database, migrated_database_url: str) -> None:
    started, finished = asyncio.Event(), asyncio.Event()

    async def slow(_: Mapping[str, Any]) -> None:
        started.set()
        await asyncio.sleep(0.3)
        finished.set()

    running = worker(database, migrated_database_url, {"demo.slow": slow})
    task = asyncio.create_task(running.run())
    async with database.transaction() as connection:
        await Jobs().enqueue(connection, "demo.slow", {})
    await asyncio.wait_for(started.wait(), 5)
    running.stop()
    await asyncio.wait_for(task, 5)
    assert finished.is_set()


async def test_two_workers_take_a_periodic_turn_once(database: Database, migrated_database_url: str) -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1

    periodic = {"demo.turn": PeriodicJob(turn, timedelta(minutes=5))}
    pair = [Worker(database, migrated_database_url, {}, periodic) for _ in range(2)]
    tasks = [asyncio.create_task(each.run()) for each in pair]
    await asyncio.sleep(0.5)
    for each in pair:
        each.stop()
    await asyncio.gather(*tasks)
    assert turns == 1


class TestBatches:
    async def test_every_item_is_done_or_fails_alone(
        self, database: Database, migrated_database_url: str, clock: FixedClock
    ) -> None:
        batches = Batches(database, Jobs(), clock)

        async def handle(_: AsyncConnection, item: Mapping[str, Any]) -> None:
            if item["value"] % 10 == 3:
                raise InvalidInput("The value ends in three.")

        async with database.transaction() as connection:
            batch_id = await batches.start(
                connection, "demo.items", [{"value": n} for n in range(25)], owner="org", chunk_size=7
            )
        await worker(database, migrated_database_url, {"demo.items": batches.handler(handle)}).drain()
        async with database.read() as connection:
            progress = await batches.progress(connection, batch_id, owner="org")
            assert await batches.progress(connection, batch_id, owner="stranger") is None
        assert progress is not None
        assert (progress.total, progress.done, progress.failed, progress.finished) == (25, 22, 3, True)
        assert progress.failures[0] == (3, "The value ends in three.")

    async def test_an_outage_in_the_middle_repeats_only_what_is_not_done(
        self, database: Database, migrated_database_url: str, clock: FixedClock
    ) -> None:
        batches, seen, outages = Batches(database, Jobs(), clock), [], iter([True])

        async def handle(_: AsyncConnection, item: Mapping[str, Any]) -> None:
            if item["value"] == 4 and next(outages, False):
                raise ServiceUnavailable("down")
            seen.append(item["value"])

        async with database.transaction() as connection:
            batch_id = await batches.start(connection, "demo.items", [{"value": n} for n in range(8)], owner="org")
        handler = batches.handler(handle, first_pause=SOON)
        await worker(database, migrated_database_url, {"demo.items": handler}).drain()
        async with database.read() as connection:
            progress = await batches.progress(connection, batch_id, owner="org")
        assert seen == list(range(8))
        assert progress is not None
        assert progress.finished


async def test_a_worker_tells_what_it_ran_and_what_waits(database: Database, migrated_database_url: str) -> None:
    jobs, recorder = Jobs(), Recorder(failures=1)
    async with database.transaction() as connection:
        await jobs.enqueue_many(connection, "demo.counted", [{}, {}])
        await jobs.enqueue(connection, "demo.other", {})
    handler = JobHandler(recorder, first_pause=SOON)
    running = worker(database, migrated_database_url, {"demo.counted": handler})
    await running.drain()
    async with database.read() as connection:
        running.metrics.depth(await jobs.depths(connection))
    async with scraped(running.metrics.registry, "127.0.0.1", port := free_port()), asyncio.timeout(5):
        text = (await asyncio.to_thread(scrape, port)).splitlines()
    assert 'hufu_jobs_total{job="demo.counted",outcome="done"} 2.0' in text
    assert 'hufu_jobs_total{job="demo.counted",outcome="retried"} 1.0' in text
    assert 'hufu_queue_depth{job="demo.other",state="queued"} 1.0' in text


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=3) as answer:
        body: bytes = answer.read()
        return body.decode()
