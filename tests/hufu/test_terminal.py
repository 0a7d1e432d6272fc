"""Who types a command is the kernel's word, and no name steers the terminal."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.principal import PrincipalKind
from hufu import commands
from hufu.commands.terminal import operator, shown

if TYPE_CHECKING:
    import pytest


def test_the_operator_is_who_runs_the_process_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "mayor")
    found = operator()
    assert found.kind is PrincipalKind.OPERATOR
    assert found.subject_id == f"shell:{pwd.getpwuid(os.getuid()).pw_name}"


def test_an_account_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)
    assert operator().subject_id == "shell:4000000001"


def test_no_command_asks_the_environment_who_types_it() -> None:
    (place,) = commands.__path__
    for path in Path(place).glob("*.py"):
        assert "getuser" not in path.read_text("utf-8"), path.name


def test_controls_and_marks_of_direction_are_masked() -> None:
    assert shown("陈伟 \x1b[2J\u202e\u2066\ud800\r.") == "陈伟 ?[2J????."
