"""`hufu clients` as an operator types it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from foundation.audit import Audit
from foundation.clock import SystemClock
from foundation.database import Database
from hufu.commands import dispatch
from idp.oauth.clients import ClientService
from idp.oauth.department import DepartmentClients
from tests.idp.oauth.fapi_support import CLIENT_KEY
from tests.idp.oauth.support import FOOD_BUREAU, REDIRECT_URI
from tests.idp.oauth.test_department import ADMIN, WANTED, Administrators

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


def shown(capsys: pytest.CaptureFixture[str], client_id: str) -> dict[str, Any]:
    code, out = clients(capsys, "show", client_id)
    assert code == 0
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_everything_registered_is_shown_and_changed_by_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    front = registered(capsys)["client_id"]
    keys = {"keys": [CLIENT_KEY.as_dict(private=False)]}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    chosen: dict[str, Any] = {
        "require_pushed_authorization_requests": True,
        "require_signed_request_object": True,
        "tls_client_certificate_bound_access_tokens": True,
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A256GCM",
    }
    given = [f"--metadata={name}={json.dumps(value)}" for name, value in chosen.items()]
    asked = ["--redirect-uri", REDIRECT_URI, "--scope", "openid", "--jwks", str(tmp_path / "keys.json")]
    code, out = clients(
        capsys, "register", "--name", "许可", "--organisation", FOOD_BUREAU, *asked, *given, f"--may-act={front}"
    )
    assert code == 0
    made = json.loads(out)
    before = shown(capsys, made["client_id"])
    assert {name: before[name] for name in chosen} == {
        name: value if isinstance(value, bool) else value.strip('"') for name, value in chosen.items()
    }
    assert before["may_act"] == front
    assert made["client_secret"] not in json.dumps(before)

    change = ["--name", "新名", "--metadata", "require_signed_request_object=null"]
    mtls = ["--authentication=tls_client_auth", "--metadata", "tls_client_auth_subject_dn=CN=food.example.gov.cn"]
    assert clients(capsys, "change", made["client_id"], *change, *mtls) == (0, "")
    after = shown(capsys, made["client_id"])
    assert (after["client_name"], after["token_endpoint_auth_method"]) == ("新名", "tls_client_auth")
    assert after["tls_client_auth_subject_dn"] == "CN=food.example.gov.cn"
    assert "require_signed_request_object" not in after
    for kept in ("redirect_uris", "scope", "grant_types", "jwks", "may_act", "id_token_encrypted_response_enc"):
        assert after[kept] == before[kept], kept

    assert clients(capsys, "suspend", front) == (0, "")
    assert shown(capsys, front)["status"] == "suspended"
    for wrong in (
        ["show", "cli_unknown"],
        ["change", front, "--metadata", "x"],
        ["change", front, "--metadata", "x=1"],
    ):
        assert dispatch(["clients", *wrong]) == 70
        assert capsys.readouterr().err


def test_lists_are_emptied_by_name_and_nothing_else_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [CLIENT_KEY.as_dict(private=False)]}))
    given = ["--redirect-uri", REDIRECT_URI, "--scope", "openid", "--jwks", str(tmp_path / "keys.json")]
    client_id = registered(capsys, *given)["client_id"]
    before = shown(capsys, client_id)

    lists = ["--empty", "redirect-uri", "--empty", "scope", "--empty", "jwks"]
    assert dispatch(["clients", "change", client_id, *lists]) == 70
    assert "redirect URIs" in capsys.readouterr().err
    assert dispatch(["clients", "change", client_id, "--empty", "scope", "--scope", "openid"]) == 70
    assert "not both" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        dispatch(["clients", "change", client_id, "--empty", "grant"])
    assert left.value.code == 64
    assert shown(capsys, client_id) == before

    assert clients(capsys, "change", client_id, *lists, "--grant", "client_credentials") == (0, "")
    after = shown(capsys, client_id)
    assert (after["redirect_uris"], after["scope"], after["jwks"]) == ([], "", None)
    changed = {"redirect_uris", "scope", "jwks", "grant_types"}
    assert {name for name in before if after[name] != before[name]} == changed


def test_a_departments_requests_are_listed_and_decided(capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    async def ask(name: str) -> None:
        database, clock = Database(settings.database_url, pool_size=1), SystemClock()
        audit = Audit(clock)
        services = ClientService(database, clock, audit)
        departments = DepartmentClients(database, clock, audit, clients=services, administrators=Administrators())
        await departments.ask(ADMIN, replace(WANTED, client_name=name))
        await database.close()

    for name in ("甲系统", "乙系统"):
        asyncio.run(ask(name))
    waiting = {each["client_name"]: each for each in map(json.loads, clients(capsys, "requests")[1].splitlines())}
    assert set(waiting) == {"甲系统", "乙系统"}
    code, out = clients(capsys, "approve", waiting["甲系统"]["request_id"])
    assert (code, shown(capsys, out.strip())["client_name"]) == (0, "甲系统")
    assert clients(capsys, "reject", waiting["乙系统"]["request_id"], "--reason", "重复") == (0, "")
    assert clients(capsys, "requests") == (0, "")
    assert dispatch(["clients", "approve", waiting["乙系统"]["request_id"]]) == 70
