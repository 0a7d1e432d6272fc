"""Real PostgreSQL and Redis for tests: one pair for all workers, one database a worker.

Run as `python -m tests.support.servers FILE`, it keeps a pair up until interrupted and
writes its addresses to FILE; test runs with HUFU_TEST_SERVERS=FILE then use that pair
while it answers, and start their own when it does not.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command
from alembic.config import Config

from hufu.launcher import start_servers

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from contextlib import AbstractContextManager

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
REDIS_DATABASES = 512
# A test database is thrown away, so nothing waits for the disk.
TUNING = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "2GB"}


@dataclass(frozen=True, slots=True)
class TestServers:
    """What a worker needs to know: both servers and the migrated template to clone."""

    __test__ = False
    admin_url: str
    redis_url: str
    template: str

    def database_url(self, name: str) -> str:
        """Return the address of another database on the same server."""
        return str(urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{name}")))

    def to_json(self) -> str:
        """Return the form passed to workers."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TestServers:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread, whatever event loop the caller stands in."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_servers() -> AbstractContextManager[TestServers]:
    """Yield servers with a freshly migrated template; what was started or created is gone afterwards."""
    return tuned_servers(TUNING)


@contextmanager
def tuned_servers(tuning: Mapping[str, str]) -> Iterator[TestServers]:
    """Yield the same with PostgreSQL settings of the caller's, if they are not somebody else's servers."""
    with _running(tuning) as (admin_url, redis_url):
        name = f"hufu_test_{os.getpid()}_{secrets.token_hex(4)}"
        servers = TestServers(admin_url, redis_url, f"{name}_template")
        run(_execute(admin_url, f'CREATE DATABASE "{servers.template}"'))
        try:
            migrate(servers.database_url(servers.template))
            yield servers
        finally:
            run(_drop(admin_url, name))


@contextmanager
def _running(tuning: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the addresses of servers that answer: the environment's, a kept pair, or our own."""
    given = os.environ.get("HUFU_TEST_DATABASE_URL", ""), os.environ.get("HUFU_TEST_REDIS_URL", "")
    if all(given):
        yield given
        return
    if kept := _kept():
        yield kept
        return
    directory = Path(tempfile.mkdtemp(prefix="hufu-test-"))
    directory.chmod(0o711)  # the unprivileged user that PostgreSQL runs as passes through
    try:
        with start_servers(directory, tuning=tuning, redis_databases=REDIS_DATABASES) as servers:
            yield servers.database_url, servers.redis_url
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _kept() -> tuple[str, str] | None:
    """Return the pair named by HUFU_TEST_SERVERS while it answers."""
    try:
        state = json.loads(Path(os.environ.get("HUFU_TEST_SERVERS", "")).read_text())
        for url in (state["database_url"], state["redis_url"]):
            socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=1).close()
    except (OSError, ValueError, KeyError):
        return None
    return state["database_url"], state["redis_url"]


def migrate(url: str) -> None:
    """Bring a database to the newest migration."""
    config = Config(str(ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    with ThreadPoolExecutor(1) as pool:
        pool.submit(command.upgrade, config, "head").result()


def clone(servers: TestServers, worker: str) -> str:
    """Create a worker's own database from the template and return its address."""
    name = f"{servers.template.removesuffix('_template')}_{worker}"
    run(_execute(servers.admin_url, f'CREATE DATABASE "{name}" TEMPLATE "{servers.template}"'))
    return servers.database_url(name)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _drop(url: str, prefix: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for row in await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix):
            await connection.execute(f'DROP DATABASE IF EXISTS "{row["datname"]}" WITH (FORCE)')
    finally:
        await connection.close()


def main(state_file: Path) -> None:
    """Keep a pair up until interrupted."""
    with _running(TUNING) as (database_url, redis_url):
        state_file.touch(mode=0o600)
        state_file.write_text(json.dumps({"database_url": database_url, "redis_url": redis_url}))
        try:
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
        finally:
            state_file.unlink(missing_ok=True)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main(Path(sys.argv[1]))
