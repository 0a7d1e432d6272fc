"""Rows of a batch as somebody sends them: CSV, NDJSON or JSON, each row checked before anything starts."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from foundation.errors import InvalidInput, LimitExceeded
from verification.as_of import NOW, AsOf, read_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAXIMUM_ROWS = 10_000
CSV, NDJSON, JSON = "text/csv", "application/x-ndjson", "application/json"
MEDIA_TYPES = (CSV, NDJSON, JSON)
LENGTHS = {"ref": 100, "identifier": 300, "qr": 8_000, "holder_name": 200, "holder_code": 40, "at": 40, "known_at": 40}
WAYS = ("identifier", "qr")


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One thing to judge: `way` is `identifier` or `qr`, `ref` the sender's own name for the row."""

    way: str
    text: str
    ref: str = ""
    compare: tuple[tuple[str, str], ...] = ()
    as_of: AsOf = NOW

    def to_json(self) -> dict[str, Any]:
        """Return what is stored, encrypted, until the row is judged."""
        moments = {"at": self.as_of.at, "known_at": self.as_of.known_at}
        told = {name: moment.isoformat() for name, moment in moments.items() if moment is not None}
        return {"way": self.way, "text": self.text, "ref": self.ref, "compare": dict(self.compare), **told}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> BatchRow:
        """Return what `to_json` gave."""
        at, known_at = (
            datetime.fromisoformat(stored[name]) if stored.get(name) else None for name in ("at", "known_at")
        )
        return cls(stored["way"], stored["text"], stored["ref"], tuple(stored["compare"].items()), AsOf(at, known_at))


def read_rows(data: bytes, media_type: str) -> tuple[BatchRow, ...]:
    """Read an upload; nothing of it is taken when one row breaks a rule.

    Args:
        data: the whole body; its size already limited by the caller.
        media_type: one of `MEDIA_TYPES`. CSV has a header line with some of the names of `LENGTHS`; NDJSON an
            object a line; JSON an array of objects, or an object with such an array as `rows`.

    Raises: InvalidInput whose `field` is `rows.<number from 1>.<name>`, LimitExceeded.
    """
    readers = {CSV: _from_csv, NDJSON: _from_ndjson, JSON: _from_json}
    if media_type not in readers:
        raise InvalidInput(f"Rows come as {', '.join(MEDIA_TYPES)}.", field="rows")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("The rows are not UTF-8.", field="rows") from error
    rows = tuple(_row(number, fields) for number, fields in enumerate(_limited(readers[media_type](text)), 1))
    if not rows:
        raise InvalidInput("There is no row.", field="rows")
    return rows


def _limited(rows: Iterable[Any]) -> Iterator[Any]:
    for number, row in enumerate(rows):
        if number >= MAXIMUM_ROWS:
            raise LimitExceeded(f"A batch has at most {MAXIMUM_ROWS} rows.", field="rows")
        yield row


def _from_csv(text: str) -> Iterator[Any]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if len(set(header)) != len(header) or not set(header) & set(WAYS):
            raise InvalidInput(
                "The first line names the columns, each once; one is `identifier` or `qr`.", field="rows"
            )
        for line in reader:
            if not any(cell.strip() for cell in line):
                continue
            if len(line) > len(header):
                raise InvalidInput("A line has more cells than the first.", field=f"rows.{reader.line_num}")
            yield dict(zip(header, line, strict=False))
    except csv.Error as error:
        raise InvalidInput("The table is not CSV (RFC 4180).", field="rows") from error


def _from_ndjson(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield _parsed(line, f"rows.{number}")


def _from_json(text: str) -> Iterator[Any]:
    found = _parsed(text, "rows")
    rows = found.get("rows") if isinstance(found, dict) and set(found) == {"rows"} else found
    if not isinstance(rows, list):
        raise InvalidInput("The body is an array of rows, or an object with one as `rows`.", field="rows")
    yield from rows


def _parsed(text: str, field: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("This is not JSON.", field=field) from error


def _row(number: int, unverified: Any) -> BatchRow:  # noqa: ANN401 - any JSON value
    where = f"rows.{number}"
    if not isinstance(unverified, dict):
        raise InvalidInput("A row is an object.", field=where)
    fields = {name: _field(where, name, value) for name, value in unverified.items()}
    given = [way for way in WAYS if fields.get(way)]
    if len(given) != 1:
        raise InvalidInput("A row has either `identifier` or `qr`.", field=where)
    way = given[0]
    compare = tuple((name, fields[name]) for name in ("holder_name", "holder_code") if fields.get(name))
    if compare and way == "qr":
        raise InvalidInput("Holder data go with an identifier; a code names its holder itself.", field=where)
    as_of = AsOf(*(_moment(f"{where}.{name}", fields.get(name, "")) for name in ("at", "known_at")))
    return BatchRow(way, fields[way], fields.get("ref", ""), compare, as_of)


def _field(where: str, name: str, value: object) -> str:
    if name not in LENGTHS:
        raise InvalidInput("There is no such field.", field=f"{where}.{_printable(name)}")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput("The value is a text.", field=f"{where}.{name}")
    text = value.strip()
    if len(text) > LENGTHS[name]:
        raise InvalidInput(f"The text has at most {LENGTHS[name]} characters.", field=f"{where}.{name}")
    if not text.isprintable():
        raise InvalidInput("The text holds control characters.", field=f"{where}.{name}")
    return text


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name[:40])


def _moment(field: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return read_moment(text)
    except ValueError as error:
        raise InvalidInput("The moment is a date and time with its zone (RFC 3339).", field=field) from error
