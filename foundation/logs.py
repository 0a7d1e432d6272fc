"""Structured logs that carry no personal data.

One JSON object a line. Only fields on a short list get through; messages are fixed
sentences, and whatever looks like an identity number, a bank card or a mobile is
blotted out all the same. Of an exception we log its class and where it was raised,
never its text: drivers quote row values in theirs.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

FIELDS = frozenset(
    {
        "action",
        "attempt",
        "client_id",
        "count",
        "error",
        "job",
        "key_id",
        "method",
        "milliseconds",
        "outcome",
        "port",
        "reason",
        "request_id",
        "route",
        "state",
        "status",
        "upstream",
    }
)
BLOT = "▇"
# An 18 or 15 character identity number, a card number with or without gaps, a mainland mobile.
_PERSONAL = re.compile(
    r"(?<![0-9A-Za-z])(?:[1-9][0-9]{16}[0-9Xx]|[0-9](?:[ -]?[0-9]){14,18}|(?:\+?86[ -]?)?1[3-9][0-9]{9})(?![0-9A-Za-z])"
)
_FRAMES = 12
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def redact(text: str) -> str:
    """Return the text with anything that looks like a personal number blotted out."""
    return _PERSONAL.sub(BLOT, text)


class JsonFormatter(logging.Formatter):
    """Writes one JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        for name in sorted(FIELDS & record.__dict__.keys()):
            value = record.__dict__[name]
            line[name] = value if isinstance(value, int | float | None) else redact(str(value))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _causes(record.exc_info[1])
        return _ENCODER.encode(line)


def _causes(error: BaseException) -> list[dict[str, object]]:
    """Return the chain of exceptions as classes and places, without texts."""
    chain: list[dict[str, object]] = []
    current: BaseException | None = error
    while current is not None and len(chain) < _FRAMES:
        chain.append({"class": type(current).__qualname__, "raised": _places(current.__traceback__)})
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{frame.filename.rpartition('/site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send every log record of the process through the formatter, to standard error.

    uvicorn's access lines hold addresses with their queries and are switched off; the
    `hufu.access` logger writes route templates instead.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "pgqueuer", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("pgqueuer").setLevel("ERROR")
    logging.getLogger("uvicorn.access").disabled = True
    # What no line of ours shows need not be found out for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(capture=True)
