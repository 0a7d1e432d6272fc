"""The scan that watches every other test finds what it should."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from tests.support.log_scan import personal_data
from tests.support.real_name_authority import CITIZENS
from tests.support.watch import DIRECTORY, findings

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import Message, Scope

PERSON = CITIZENS[0]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of our own for findings, so that what we provoke fails no run."""
    directory = tmp_path / "findings"
    directory.mkdir()
    monkeypatch.setenv(DIRECTORY, str(directory))
    return directory


@pytest.mark.parametrize(
    "text",
    [
        f"welcome {PERSON.name}",
        f"/v?n={PERSON.citizen_id_number}",
        f"card {PERSON.bank_card}.",
        f"sms to {PERSON.mobile}",
        "6222021234567890128",
    ],
)
def test_personal_data_is_found(text: str) -> None:
    assert personal_data(text)


@pytest.mark.parametrize(
    "text",
    [
        "req_06h09havitpn90mrm8ib3396o0 took 12.5 ms",
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
        "2026-11-22T19:33:07.354+00:00",
        "123456789012345678",
    ],
)
def test_other_text_is_clean(text: str) -> None:
    assert personal_data(text) == []


def test_messages_and_written_fields_are_looked_at_whatever_the_handlers(kept: Path) -> None:
    logger = logging.getLogger("mute")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.NullHandler())
    logger.warning("seen %s", PERSON.citizen_id_number)
    logger.warning("fine", extra={"reason": PERSON.name})
    logger.warning("fine", extra={"not_written": PERSON.name})
    assert len(list(findings(kept))) == 2
    assert not list(findings(kept))


def test_the_watch_stays_after_the_first_record(kept: Path) -> None:
    """Also in a process that Python's start-up hook watches before the runner does, as the runner's workers are."""
    code = (
        "import logging; from tests.support.watch import install; install(serves=False); "
        f"[logging.getLogger('child').error('seen {PERSON.citizen_id_number}') for _ in range(3)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # noqa: S603 - our own code
    assert len(list(findings(kept))) == 3


async def test_addresses_of_a_browser_and_places_it_is_sent_to_are_looked_at(kept: Path) -> None:
    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        assert message["type"].startswith("http.response")

    async def away(_request: Request) -> Response:
        return Response(status_code=303, headers={"location": "/next?name=" + quote(PERSON.name)})

    app = Starlette(routes=[Route("/{what}", away)])
    scope: Scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"user-agent", b"Mozilla/5.0")]}
    await app({**scope, "query_string": b"card=" + PERSON.bank_card.encode()}, receive, send)
    assert [line.split(" (")[0] for line in findings(kept)] == [
        "an address asked for holds a card number",
        f"a Location holds the name {PERSON.name}",
    ]


def test_labels_of_metrics_are_looked_at(kept: Path) -> None:
    Counter("seen", "Seen.", ("who",), registry=CollectorRegistry()).labels(PERSON.mobile).inc()
    assert len(list(findings(kept))) == 1


def test_processes_that_tests_start_are_watched(kept: Path) -> None:
    code = "import logging; logging.getLogger('child').error('seen %s', '" + PERSON.citizen_id_number + "')"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # noqa: S603 - our own code
    (found,) = findings(kept)
    assert found.startswith("a log line of child holds an identity number")
