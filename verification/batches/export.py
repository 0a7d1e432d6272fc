"""Results of a batch as a file: CSV for a spreadsheet, NDJSON for a program."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from verification.batches.repository import Judgement

COLUMNS = (
    "row",
    "ref",
    "state",
    "verdict",
    "reason",
    "reason_text",
    "way",
    "identifier",
    "type_name",
    "issuer_name",
    "valid_from",
    "valid_to",
    "checked_at",
    "judged_at",
    "known_at",
    "data_as_of",
    "error",
    "receipt",
)
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def as_ndjson(judgements: AsyncIterator[Judgement]) -> AsyncIterator[bytes]:
    """Yield one JSON object a line."""
    async for item in judgements:
        line = {"row": item.number, "state": item.state, **item.result}
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


async def as_csv(judgements: AsyncIterator[Judgement]) -> AsyncIterator[bytes]:
    """Yield CSV (RFC 4180) with a header line and a byte-order mark, by which spreadsheets know UTF-8."""
    yield b"\xef\xbb\xbf" + _line(COLUMNS)
    async for item in judgements:
        values = {"row": item.number, "state": item.state, **item.result}
        yield _line([values.get(name) for name in COLUMNS])


def _line(cells: Iterable[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([_cell(cell) for cell in cells])
    return out.getvalue().encode()


def _cell(value: object) -> object:
    """Keep a spreadsheet from reading a sender's text as a formula."""
    return (
        f"'{value}" if isinstance(value, str) and value.startswith(_BEGINS_FORMULA) else "" if value is None else value
    )
