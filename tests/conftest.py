"""Fixtures every test may use: real PostgreSQL and Redis, a still clock, test keys.

The servers are started once: by the first test that needs them, or with xdist by
the controller before its workers. Each worker has a database of its own, cloned
from one migrated template, and a Redis database of its own; after each test the
rows are deleted.
"""

from __future__ import annotations

import base64
import logging
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from xdist.scheduler import LoadScopeScheduling

from foundation.audit import Audit
from foundation.blobs import BlobStore
from foundation.cache import Cache
from foundation.clock import FixedClock
from foundation.database import Database
from foundation.encryption import FieldCipher
from foundation.settings import Profile, Settings
from tests.support.rows import Rows, rows_of
from tests.support.servers import REDIS_DATABASES, TestServers, clone, run, test_servers
from tests.support.watch import DIRECTORY, findings, install

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
FIELD_KEY = bytes(range(32))
INDEX_KEY = bytes(range(32, 64))
_servers = pytest.StashKey[TestServers]()
_exits = pytest.StashKey[ExitStack]()
_findings = pytest.StashKey[Path]()
_left = pytest.StashKey[list[str]]()
ROOT = Path(__file__).parents[1]
WATCHED = Path(__file__).parent / "support" / "watched"
FLOWS = "tests/flows/"
# Folders with modules that take minutes; a long module that comes last is waited for by everybody else.
LONG = (FLOWS, "tests/peers/", "tests/hufu/", "tests/web/", "tests/verification/", "tests/signing/")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_exits] = ExitStack()
    logging.getLogger().setLevel(logging.INFO)
    config.stash[_findings] = _watch(config)


def _watch(config: pytest.Config) -> Path:
    """Watch this process and every Python process it starts; return where the findings go."""
    workerinput: dict[str, str] | None = getattr(config, "workerinput", None)
    if workerinput is None:
        directory = Path(config.stash[_exits].enter_context(TemporaryDirectory(prefix="hufu-findings-")))
        path = [str(WATCHED), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(path)
    else:
        directory = Path(os.environ[DIRECTORY]) / workerinput["workerid"]
        directory.mkdir()
    os.environ[DIRECTORY] = str(directory)
    install(serves=True)
    return directory


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run by what was found outside of a test, or by a process that outlived its test."""
    if hasattr(session.config, "workerinput"):
        return
    left = list(_all_findings(session.config.stash[_findings]))
    session.config.stash[_left] = left
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what `pytest_sessionfinish` found."""
    for line in config.stash.get(_left, []):
        terminalreporter.write_line(f"personal data: {line}", red=True)


def _all_findings(directory: Path) -> Iterator[str]:
    """Yield what any process of the run left, the workers' included."""
    for place in (directory, *sorted(path for path in directory.iterdir() if path.is_dir())):
        yield from findings(place)


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_exits].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Start the servers before the first xdist worker and tell each worker where they are."""
    node.workerinput["hufu_servers"] = _start_once(node.config).to_json()


class Scopes(LoadScopeScheduling):  # type: ignore[misc] # ships no types
    """A worker takes whole modules, as they come, and all the flows: they share one running service."""

    def _split_scope(self, nodeid: str) -> str:
        return FLOWS if nodeid.startswith(FLOWS) else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scopes | None:
    """Distribute by our scopes where modules are to stay together."""
    return Scopes(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders with long modules first, the same in every worker."""
    items.sort(key=lambda item: next((at for at, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG)))


def _start_once(config: pytest.Config) -> TestServers:
    if _servers not in config.stash:
        config.stash[_servers] = config.stash[_exits].enter_context(test_servers())
    return config.stash[_servers]


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> TestServers:
    """Return the servers of this run."""
    workerinput: dict[str, str] | None = getattr(request.config, "workerinput", None)
    return TestServers.from_json(workerinput["hufu_servers"]) if workerinput else _start_once(request.config)


@pytest.fixture(scope="session")
def worker_database_url(servers: TestServers, worker_name: str) -> str:
    """Return the address of this worker's database; prefer `migrated_database_url`, which cleans up."""
    return clone(servers, worker_name)


@pytest.fixture(scope="session")
def worker_redis_url(servers: TestServers) -> str:
    """Return the address of a Redis database that only this worker uses."""
    return run(_own_redis_database(servers.redis_url))


@pytest.fixture(scope="session")
def city_redis_url(servers: TestServers) -> str:
    """Return the address of a Redis database that only this worker's running city uses."""
    return run(_own_redis_database(servers.redis_url))


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    """Return `gw0` and so on, or `main` without xdist."""
    workerinput: dict[str, str] | None = getattr(request.config, "workerinput", None)
    return workerinput["workerid"] if workerinput else "main"


async def _own_redis_database(url: str) -> str:
    """Take the next database number in turn; number 0 holds the turn."""
    client: Redis = Redis.from_url(url)
    try:
        count = int((await client.config_get("databases"))["databases"] or 16)
        turn = int(await client.incr("hufu-test-turn"))
    finally:
        await client.aclose()
    number = 1 + turn % (min(count, REDIS_DATABASES) - 1)
    return str(urlunsplit(urlsplit(url)._replace(path=f"/{number}")))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_rows(worker_database_url: str) -> AsyncIterator[Rows]:
    """Yield what deletes the rows of this worker's database."""
    async with rows_of(worker_database_url) as rows:
        yield rows


@pytest_asyncio.fixture(loop_scope="session")
async def migrated_database_url(worker_database_url: str, worker_rows: Rows) -> AsyncIterator[str]:
    """Yield the address of a migrated, empty database; its rows are deleted afterwards."""
    yield worker_database_url
    await worker_rows.delete()


@pytest.fixture
async def redis_url(worker_redis_url: str) -> AsyncIterator[str]:
    """Yield the address of an empty Redis database."""
    client: Redis = Redis.from_url(worker_redis_url)
    await client.flushdb()
    yield worker_redis_url
    await client.flushdb()
    await client.aclose()


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    """Yield a pool on the worker's database."""
    database = Database(migrated_database_url, pool_size=5)
    yield database
    await database.close()


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[Cache]:
    """Yield a client of the worker's Redis database."""
    cache = Cache(redis_url)
    yield cache
    await cache.close()


@pytest.fixture
def clock() -> FixedClock:
    """Return a clock that stands at NOW until told to move."""
    return FixedClock(NOW)


@pytest.fixture
def cipher() -> FieldCipher:
    """Return field encryption under test keys."""
    return FieldCipher({1: FIELD_KEY}, INDEX_KEY)


@pytest.fixture
def audit(clock: FixedClock) -> Audit:
    """Return the audit writer on the still clock."""
    return Audit(clock)


@pytest.fixture
def blob_directory(tmp_path: Path) -> Path:
    """Return the directory of `blobs`."""
    return tmp_path / "data" / "blobs"


@pytest.fixture
def blobs(blob_directory: Path, cipher: FieldCipher) -> BlobStore:
    """Return an empty blob store in a directory of the test's own."""
    return BlobStore.in_directory(blob_directory, cipher)


@pytest.fixture
def settings(migrated_database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Return settings of the test profile over the worker's servers and a directory of the test's own."""
    return settings_over(migrated_database_url, redis_url, tmp_path / "data")


def settings_over(database_url: str, redis_url: str, data_directory: Path, **changes: object) -> Settings:
    """Return settings of the test profile over servers and a directory."""
    return Settings(
        profile=Profile.TEST,
        database_url=database_url,
        redis_url=redis_url,
        data_directory=data_directory,
        field_keys="1:" + base64.b64encode(FIELD_KEY).decode(),
        index_key=base64.b64encode(INDEX_KEY).decode(),
        keystore_passphrase="passphrase of the tests",
        **changes,
    )


@pytest.fixture(autouse=True)
def no_personal_data_leaves(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which a log line, address or metric holds a number or a synthetic person's name.

    The processes that the test started are watched like this one.
    """
    yield
    found = list(findings(request.config.stash[_findings]))
    assert not found, found


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own HUFU_* variables out of the tests."""
    for name in [name for name in os.environ if name.startswith("HUFU_") and not name.startswith("HUFU_TEST_")]:
        monkeypatch.delenv(name)
