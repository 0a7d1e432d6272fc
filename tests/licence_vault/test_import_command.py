"""`hufu licences import`: exit codes, rejects without formulas, and a kill in the middle."""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from hufu.commands import EXIT_FAILURE, dispatch
from licence_vault.catalogue import TYPES_DIRECTORY
from licence_vault.tables import licence_imports, licence_types, licences
from tests.licence_vault.samples import FOOD, ISSUER
from tests.licence_vault.test_backfill import row, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.database import Database
    from foundation.settings import Settings
    from licence_vault.assembly import Vault

ROWS = 3000


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    values = {
        "HUFU_DATABASE_URL": settings.database_url,
        "HUFU_REDIS_URL": settings.redis_url,
        "HUFU_DATA_DIRECTORY": str(settings.data_directory),
        "HUFU_FIELD_KEYS": settings.field_keys.get_secret_value(),
        "HUFU_INDEX_KEY": settings.index_key.get_secret_value(),
        "HUFU_KEYSTORE_PASSPHRASE": settings.keystore_passphrase.get_secret_value(),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def arguments(path: Path, *more: str) -> list[str]:
    return ["licences", "import", str(path), "--type", FOOD, "--issuer", ISSUER, *more]


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(licences))).scalar_one())


async def test_rows_are_stored_and_rejects_written(
    vault: Vault, database: Database, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del vault, environment
    good = write_csv(tmp_path / "good.csv", [row(1), row(2)])
    assert await asyncio.to_thread(dispatch, arguments(good)) == 0
    assert "2 stored" in capsys.readouterr().out
    bad = write_csv(tmp_path / "bad.csv", [row(3) | {"=1+1": "x"}, row(4) | {"=1+1": "x"}])
    rejects = tmp_path / "rejects.csv"
    assert await asyncio.to_thread(dispatch, arguments(bad, "--rejects", str(rejects))) == 1
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(one["row"], one["field"]) for one in rows] == [("2", "'=1+1"), ("3", "'=1+1")]
    assert await count(database) == 2


async def test_types_are_published_and_listed(
    database: Database, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del environment
    mine = tmp_path / "types"
    shutil.copytree(TYPES_DIRECTORY / FOOD, mine / FOOD)
    assert await asyncio.to_thread(dispatch, ["licences", "publish", "--from", str(mine)]) == 0
    definition = (mine / FOOD / "type.json").read_text("utf-8").replace("Food Business Licence", "Food Licence")
    (mine / FOOD / "type.json").write_text(definition, "utf-8")
    for _ in range(2):
        assert await asyncio.to_thread(dispatch, ["licences", "publish", "--from", str(mine)]) == 0
    capsys.readouterr()
    assert await asyncio.to_thread(dispatch, ["licences", "types"]) == 0
    assert capsys.readouterr().out == f"{FOOD}  v2  食品经营许可证  国家市场监督管理总局\n"
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(licence_types))).scalar_one() == 2
    (mine / "11100000MB0143028R099").mkdir()
    assert await asyncio.to_thread(dispatch, ["licences", "publish", "--from", str(mine)]) == EXIT_FAILURE
    assert "type.json" in capsys.readouterr().err


async def test_wrong_use_fails_by_name(
    vault: Vault, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del vault, environment
    assert await asyncio.to_thread(dispatch, arguments(tmp_path / "absent.csv")) == 66
    odd = tmp_path / "odd.txt"
    odd.write_text("x", "utf-8")
    assert await asyncio.to_thread(dispatch, arguments(odd)) == EXIT_FAILURE
    assert "csv, xlsx, ndjson" in capsys.readouterr().err


async def test_an_import_killed_at_any_moment_is_completed_by_the_next_run(
    vault: Vault, database: Database, environment: dict[str, str], tmp_path: Path
) -> None:
    del vault
    path = write_csv(tmp_path / "many.csv", [row(number) for number in range(1, ROWS + 1)])
    command = [sys.executable, "-m", "hufu", *arguments(path, "--quiet")]
    surroundings = {**os.environ, **environment}
    first = subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL)  # noqa: S603, ASYNC220 - our own command
    try:
        while await count(database) == 0:
            assert first.poll() is None, "the import ended before it stored anything"
            await asyncio.sleep(0.02)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    stored = await count(database)
    assert stored % 1000 == 0
    assert await asyncio.to_thread(dispatch, arguments(path, "--quiet")) == 0
    async with database.read() as connection:
        progress = (await connection.execute(select(licence_imports))).one()
    assert (progress.rows, progress.accepted, progress.repeated) == (ROWS, ROWS, 0)
    assert await count(database) == ROWS
