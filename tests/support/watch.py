"""Watches a whole process for personal data: every log record, every URL, every metric's label.

`install` patches the places all of them pass through, so that no handler a test replaces and no
logger that does not propagate escapes. The test runner installs it in itself and in every worker;
a Python process that tests start installs it too, through `tests/support/watched/sitecustomize.py`,
when the environment names a directory for findings.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from foundation.logs import FIELDS
from tests.support.log_scan import personal_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Report = Callable[[str], None]

DIRECTORY = "HUFU_TEST_FINDINGS"
"""Names the directory where watched processes leave what they found."""

_installed: list[str] = []


def report(finding: str) -> None:
    """Append a finding to this process's file, with the frames it came from."""
    directory = os.environ.get(DIRECTORY)
    if directory is None:
        return
    frames = traceback.extract_stack()[:-2][-8:]
    place = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    with (Path(directory) / f"{os.getpid()}.txt").open("a", encoding="utf-8") as file:
        file.write(f"{finding} ({Path(sys.argv[0]).name}; {place})\n")


def findings(directory: Path) -> Iterator[str]:
    """Yield what the processes of a directory found, and forget it."""
    for file in sorted(directory.glob("*.txt")):
        yield from file.read_text(encoding="utf-8").splitlines()
        file.unlink()


def install(*, serves: bool, every_address: bool = False) -> None:
    """Watch this process from now on, once.

    `serves` says whether it may answer HTTP. The test runner's own process is asked strange addresses
    by tests on purpose: there, only what a browser asks for is looked at, which our own pages made.
    """
    if not _installed:
        _watch_logs()
        _installed.append("logs")
    if serves and "web" not in _installed:
        _watch_requests(every_address=every_address)
        _watch_metrics()
        _installed.append("web")


def look(what: str, text: str) -> None:
    """Report every kind of personal data in a text."""
    for kind in _kinds(text):
        report(f"{what} holds {kind}")


@lru_cache(maxsize=4096)
def _kinds(text: str) -> tuple[str, ...]:
    return tuple(personal_data(unquote_plus(text)))


def record_text(record: logging.LogRecord) -> str:
    """Return what production would write of a record, before it redacts: the message and the listed fields."""
    fields = {name: str(record.__dict__[name]) for name in FIELDS & record.__dict__.keys()}
    return record.getMessage() + " " + json.dumps(fields, ensure_ascii=False)


def _watch_logs() -> None:
    """Look at every record any logger handles."""
    handle = logging.Logger.handle

    def watched(self: logging.Logger, record: logging.LogRecord) -> None:
        if record.levelno >= logging.INFO:
            look(f"a log line of {record.name}", record_text(record))
        handle(self, record)

    logging.Logger.handle = watched  # type: ignore[method-assign]


def _watch_requests(*, every_address: bool) -> None:
    """Look at the address of every request an application answers, and at where its answer sends."""
    from starlette.applications import Starlette  # noqa: PLC0415 - only a process that serves pays for the import

    call = Starlette.__call__

    async def watched(self: Starlette, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own shapes
        if scope["type"] != "http":
            await call(self, scope, receive, send)
            return

        async def sending(message: Any) -> None:  # noqa: ANN401 - as above
            for name, value in message.get("headers", ()):
                if name.lower() == b"location":
                    look("a Location", value.decode("latin-1"))
            await send(message)

        agent = dict(scope["headers"]).get(b"user-agent", b"")
        if every_address or agent.startswith(b"Mozilla"):
            look("an address asked for", scope["path"] + "?" + scope["query_string"].decode("latin-1"))
        await call(self, scope, receive, sending)

    Starlette.__call__ = watched  # type: ignore[method-assign]


def _watch_metrics() -> None:
    """Look at every label a metric is given."""
    from prometheus_client.metrics import MetricWrapperBase  # noqa: PLC0415 - as above

    labels = MetricWrapperBase.labels

    def watched(self: Any, *values: Any, **named: Any) -> Any:  # noqa: ANN401 - the library's own shapes
        for value in (*values, *named.values()):
            look("a metric's label", str(value))
        return labels(self, *values, **named)

    MetricWrapperBase.labels = watched  # type: ignore[method-assign]
