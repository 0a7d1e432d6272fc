"""The command line says what is wrong, and processes stop when told to."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from foundation.settings import BadSettings, Profile, load_settings
from hufu.commands import COMMANDS, dispatch
from hufu.launcher_place import free_port
from hufu.surroundings import SECRETS_FILE, environment_of, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
READY_SECONDS = 200
STOP_SECONDS = 8


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["migrate", "--nonsense"], ["backup"], ["init"]])
def test_wrong_usage_is_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        dispatch(arguments)
    assert caught.value.code == 64
    assert "usage: hufu" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        dispatch([name, "--help"])
    assert caught.value.code == 0
    first, rest = COMMANDS[name][0].upper(), COMMANDS[name][1:]
    assert f"{first}{rest}." in capsys.readouterr().out.replace("\n", " ")


def test_a_file_that_cannot_be_used_and_a_bad_port_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(["openapi", str(tmp_path / "nowhere" / "openapi.yaml")]) == 70
    assert "nowhere/openapi.yaml: No such file or directory" in capsys.readouterr().err
    monkeypatch.setenv("HUFU_PORT", "eight")
    with pytest.raises(SystemExit) as caught:
        dispatch(["run"])
    assert caught.value.code == 64
    assert "--port: invalid int value: 'eight'" in capsys.readouterr().err


def test_bad_settings_stop_the_start_and_are_named_without_their_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUFU_ISSUER", "gopher://secret-value")
    monkeypatch.setenv("HUFU_INDEX_KEY", "c2hvcnQ=")
    assert dispatch(["migrate"]) == 70
    error = capsys.readouterr().err
    assert "HUFU_ISSUER" in error
    assert "HUFU_INDEX_KEY" in error
    assert "secret-value" not in error
    assert "c2hvcnQ" not in error


def test_production_refuses_what_only_a_demonstration_may_use() -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings(profile=Profile.PRODUCTION)
    for name in ("issuer", "database_url", "redis_url", "field_keys", "index_key", "keystore_passphrase"):
        assert name in str(caught.value)


class TestSurroundings:
    """Over the given servers: only the secrets are made."""

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("HUFU_DATABASE_URL", "postgresql://db.invalid/x")
        monkeypatch.setenv("HUFU_REDIS_URL", "redis://db.invalid/0")
        monkeypatch.setenv("HUFU_DATA_DIRECTORY", str(tmp_path / "data"))
        return tmp_path / "data"

    def test_development_secrets_are_made_once_and_are_ours_alone(self, place: Path) -> None:
        with surroundings() as first, surroundings() as second:
            assert first == second
            assert len(first.field_key_map()[1]) == 32
        assert stat.S_IMODE((place / SECRETS_FILE).stat().st_mode) == 0o600

    def test_given_secrets_win(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HUFU_KEYSTORE_PASSPHRASE", "given by hand, long enough")
        with surroundings() as settings:
            assert settings.keystore_passphrase.get_secret_value() == "given by hand, long enough"
        assert place.exists()

    def test_the_issuer_follows_the_port_unless_given(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HUFU_PORT", "8123")
        with surroundings() as settings:
            assert settings.issuer == "http://localhost:8123"
        monkeypatch.setenv("HUFU_ISSUER", "https://id.example")
        with surroundings() as settings:
            assert settings.issuer == "https://id.example"
        assert place.exists()

    def test_a_child_gets_the_same_settings(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with surroundings(outbound_networks=("127.0.0.0/8", "10.0.0.0/8")) as settings:
            environment = environment_of(settings)
        for name in [name for name in os.environ if name.startswith("HUFU_")]:
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert load_settings() == settings
        assert place.exists()


@contextmanager
def hufu_run(directory: Path, ports: tuple[int, int]) -> Iterator[subprocess.Popen[str]]:
    """`hufu run` as a shell starts background jobs: in a session of its own, SIGINT ignored."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUFU_")}
    environment |= {"HUFU_DATA_DIRECTORY": str(directory / "data"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "hufu", "run", "--port", str(ports[0]), "--portal-port", str(ports[1])],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509 - no threads here
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[int, int]]:
    """Return a directory that the first start fills with servers, keys and a city, and its ports."""
    return tmp_path_factory.mktemp("run"), (free_port(), free_port())


def await_ready(running: subprocess.Popen[str]) -> None:
    """Read what it prints until it introduces itself."""
    assert running.stdout is not None
    began, lines = time.monotonic(), []
    for line in running.stdout:
        lines.append(line)
        if "stop: Ctrl-C" in line:
            assert any("http://localhost:" in line for line in lines)
            return
        assert time.monotonic() - began < READY_SECONDS
    pytest.fail("".join(lines))


def left_over(place: Path) -> list[Path]:
    """Return the processes that know the directory: ours and the servers' alike."""
    mark = str(place).encode()
    return [
        path.parent
        for path in Path("/proc").glob("[0-9]*/environ")
        if mark in _read(path) + _read(path.with_name("cmdline"))
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.timeout(300)
def test_run_stops_on_interrupts_and_leaves_nothing_behind(kept: tuple[Path, tuple[int, int]]) -> None:
    with hufu_run(*kept) as running:
        await_ready(running)
        asked = time.monotonic()
        for _ in range(3):  # an impatient person
            os.killpg(running.pid, signal.SIGINT)
            time.sleep(0.2)
        assert running.wait(STOP_SECONDS) == 0
        assert time.monotonic() - asked < STOP_SECONDS
    assert left_over(kept[0]) == []


@pytest.mark.timeout(300)
def test_run_that_is_killed_leaves_nothing_behind(kept: tuple[Path, tuple[int, int]]) -> None:
    with hufu_run(*kept) as running:
        await_ready(running)
        assert len(left_over(kept[0])) > 6
        running.kill()
        running.wait()
    deadline = time.monotonic() + 15
    while left_over(kept[0]):
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.timeout(200)
def test_run_that_is_interrupted_while_starting_leaves_nothing_behind(tmp_path: Path) -> None:
    with hufu_run(tmp_path, (free_port(), free_port())) as running:
        assert running.stdout is not None
        assert "Starting" in running.stdout.readline()
        assert "PostgreSQL" in running.stdout.readline()
        for _ in range(2):
            os.killpg(running.pid, signal.SIGINT)
            time.sleep(0.1)
        assert running.wait(STOP_SECONDS + 2) == 0
    assert left_over(tmp_path) == []
