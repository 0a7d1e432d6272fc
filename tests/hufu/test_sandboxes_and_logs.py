"""No sandbox writes a log line: the scan of the test run cannot look into one, and need not.

A process without an environment does not load what watches the others for personal data.
"""

from __future__ import annotations

import ast
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from signing.workshop import Workshop
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "foundation", "hufu", "idp", "keys", "licence_vault", "signing", "verification")
STARTED_WITH_NOTHING = {"api/web/preview.py", "licence_vault/rendering.py", "verification/sandbox/pool.py"}
NAMED = CITIZENS[0].name


def _keywords(call: ast.Call) -> dict[str, str]:
    return {keyword.arg or "": ast.unparse(keyword.value) for keyword in call.keywords}


def test_a_sandbox_with_an_empty_environment_has_no_way_to_a_log() -> None:
    """Its standard error goes nowhere, its standard output is read as an answer, and it opens no file for writing."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            calls = [one for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(one, ast.Call)]
            for given in map(_keywords, calls):
                if given.get("env") == "{}":
                    found[str(path.relative_to(ROOT))] = (given["stdout"], given["stderr"])
    assert set(found) == STARTED_WITH_NOTHING
    for stdout, stderr in found.values():
        assert (stdout.rpartition(".")[2], stderr.rpartition(".")[2]) == ("PIPE", "DEVNULL")


def complain(text: str) -> tuple[str, int]:
    """Say something by every way a library has, there; return where it went and the size of the environment."""
    logging.getLogger("pypdf").error("a document of %s", text)
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - what a library would do
    print(text, flush=True)  # noqa: T201 - as above
    os.write(2, text.encode())
    return str(Path("/proc/self/fd/2").readlink()), len(os.environ)


async def test_nobody_hears_a_parser_in_the_workshop(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    workshop = Workshop(workers=1, functions=[complain])
    try:
        assert await workshop.run(complain, NAMED) == (os.devnull, 0)
    finally:
        await workshop.close()
    heard = capfd.readouterr()
    assert NAMED not in heard.out + heard.err + caplog.text
