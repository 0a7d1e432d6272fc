"""`hufu clients` as an operator types it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hufu.commands import dispatch
from tests.idp.oauth.support import FOOD_BUREAU

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.settings import Settings

REGISTER = ["--name", "证照系统", "--organisation", FOOD_BUREAU, "--scope", "licence:issue"]


@pytest.fixture(autouse=True)
def installed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUFU_PROFILE", "test")
    monkeypatch.setenv("HUFU_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("HUFU_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("HUFU_DATA_DIRECTORY", str(settings.data_directory))


def clients(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = dispatch(["clients", *arguments])
    return code, capsys.readouterr().out


def registered(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    code, out = clients(capsys, "register", *REGISTER, *more)
    assert code == 0
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_registered_client_is_listed_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    made = registered(capsys)
    code, out = clients(capsys, "list", "--organisation", FOOD_BUREAU, "--json")
    assert code == 0
    listed = json.loads(out)
    assert (listed["client_id"], listed["grant_types"]) == (made["client_id"], ["client_credentials"])
    assert made["client_secret"] not in out
    assert "证照系统" in clients(capsys, "list")[1]


def test_secret_is_renewed_and_client_suspended(capsys: pytest.CaptureFixture[str]) -> None:
    made = registered(capsys)
    code, out = clients(capsys, "rotate-secret", made["client_id"])
    assert code == 0
    assert json.loads(out)["client_secret"] != made["client_secret"]
    assert clients(capsys, "suspend", made["client_id"]) == (0, "")
    assert '"status": "suspended"' in clients(capsys, "list", "--json")[1]
    assert clients(capsys, "reinstate", made["client_id"]) == (0, "")


def test_wrong_input_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert dispatch(["clients", "register", *REGISTER, "--redirect-uri", "http://food.example/cb"]) == 70
    assert "https" in capsys.readouterr().err
    keys = tmp_path / "keys.json"
    keys.write_text("no json")
    assert dispatch(["clients", "register", *REGISTER, "--jwks", str(keys)]) == 70
    assert "keys.json" in capsys.readouterr().err
    assert dispatch(["clients", "suspend", "cli_unknown"]) == 70
    with pytest.raises(SystemExit) as left:
        dispatch(["clients", "register"])
    assert left.value.code == 64
