"""Rows of history as files hold them: CSV, XLSX and NDJSON, read in a stream. Pure but for reading.

Columns are named by GB/T 36903 short names, by our own names, or by the Chinese titles of
the type's schema. What a row cannot mean becomes a rejection with field and reason, never
with the value.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from foundation.errors import InvalidInput
from licence_vault.model import Holder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from licence_vault.definitions import LicenceType

FORMATS = ("csv", "xlsx", "ndjson")
MAX_CELL = 5000
MAX_COLUMNS = 200
SNIFF_BYTES = 1 << 16
LONG_TERM_WORDS = frozenset({"", "长期", "永久", "长期有效", "9999-12-31", "99991231"})

_COLUMNS = {
    "ZZBH": "licence_number",
    "证照编号": "licence_number",
    "ZZBFRQ": "issued_on",
    "颁发日期": "issued_on",
    "ZZYXQQSRQ": "valid_from",
    "有效期起始日期": "valid_from",
    "ZZYXQJZRQ": "valid_to",
    "有效期截止日期": "valid_to",
    "CZZT": "holder_name",
    "持证主体": "holder_name",
    "CZZTDM": "holder_code",
    "持证主体代码": "holder_code",
    "CZZTDMLXDM": "holder_code_type",
    "CZZTDMLX": "holder_code_type",
    "持证主体代码类型": "holder_code_type",
    "ZZZT": "state",
    "证照状态": "state",
    "ZTBGRQ": "state_on",
    "状态变更日期": "state_on",
    "ZTBGSY": "state_reason",
    "状态变更事由": "state_reason",
}
_OWN = frozenset(_COLUMNS.values())
_SEVERAL = re.compile(r"[;；^]")
_LIST = re.compile(r"[;；、^]")
_DATE = re.compile(
    r"(\d{4})\s*(?:-|/|\.|年)?\s*(\d{1,2})\s*(?:-|/|\.|月)?\s*(\d{1,2})\s*日?(?:[ T]00:00:00)?", re.ASCII
)
_PLAIN_NUMBER = re.compile(r"[+-][0-9][0-9 .,\-]*", re.ASCII)


class UnreadableFile(InvalidInput):
    """The file is none of the three formats, or its columns cannot be used."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row by column name; `number` is what an editor shows, and `problem` why it could not be read."""

    number: int
    values: Mapping[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class HistoricLicence:
    """A row understood, its rules not yet checked."""

    licence_number: str
    holders: tuple[Holder, ...]
    face: Mapping[str, Any]
    issued_on: date
    valid_from: date
    valid_to: date | None
    state: str
    state_on: date | None
    state_reason: str


def read_rows(path: Path, file_format: str) -> Iterator[RawRow]:
    """Yield the rows of a file in order; raises UnreadableFile."""
    if file_format == "csv":
        return _csv_rows(path)
    if file_format == "xlsx":
        return _xlsx_rows(path)
    if file_format == "ndjson":
        return _ndjson_rows(path)
    raise UnreadableFile(f"One of {', '.join(FORMATS)}.", field="format")


def _csv_rows(path: Path) -> Iterator[RawRow]:
    encoding = _encoding(path)
    # Bytes that the encoding does not know become surrogates, which no text may hold: the row is rejected.
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        header = _header(next(reader, []))
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield RawRow(reader.line_num, {}, "CSV 格式错误 / broken CSV.")
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                yield RawRow(reader.line_num, {}, "列数多于表头 / more cells than columns.")
            else:
                yield RawRow(reader.line_num, dict(zip(header, cells, strict=False)))


def _encoding(path: Path) -> str:
    """Return UTF-8 when the beginning of the file is that, else the national encoding."""
    with path.open("rb") as file:
        head = file.read(SNIFF_BYTES)
    text = head.decode("utf-8", "replace")
    unknown = text.count("\ufffd")
    known = sum(not character.isascii() for character in text) - unknown
    # Chinese in the national encoding is hardly ever UTF-8; a stray byte in UTF-8 is a broken row.
    return "gb18030" if unknown > known else "utf-8-sig"


def _xlsx_rows(path: Path) -> Iterator[RawRow]:
    from openpyxl import load_workbook  # noqa: PLC0415 - the service starts without it

    try:
        book = load_workbook(path, read_only=True, data_only=False, keep_links=False)
    except Exception as error:
        # openpyxl raises whatever zipfile, its XML parser or itself meet in a broken file.
        raise UnreadableFile("不是 XLSX 文件 / not an XLSX file.", field="file") from error
    try:
        sheet = book.worksheets[0]
        rows = sheet.iter_rows(values_only=True)
        header = _header([str(cell or "") for cell in next(rows, ())])
        for number, cells in enumerate(rows, start=2):
            if any(cell not in (None, "") for cell in cells):
                yield RawRow(number, dict(zip(header, cells, strict=False)))
    finally:
        book.close()


def _ndjson_rows(path: Path) -> Iterator[RawRow]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                yield RawRow(number, {}, "不是 JSON / not JSON.")
                continue
            if isinstance(value, dict):
                yield RawRow(number, value)
            else:
                yield RawRow(number, {}, "不是 JSON 对象 / not a JSON object.")


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip().lstrip("\ufeff") for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names or len(names) > MAX_COLUMNS or not all(names) or len(set(names)) != len(names):
        raise UnreadableFile("表头为空、过长或重复 / the header is empty, too long or repeats a name.", field="file")
    return names


class RowReader:
    """Understands rows for one type."""

    def __init__(self, licence_type: LicenceType) -> None:
        """Learn the names of the type's fields."""
        self._fields: dict[str, Mapping[str, Any]] = dict(licence_type.schema["properties"])
        self._names = {name: name for name in self._fields}
        self._names |= {f"KZ_{name}": name for name in self._fields}
        self._names |= {str(field["title"]): name for name, field in self._fields.items()}

    def understand(self, row: RawRow) -> HistoricLicence:
        """Return what a row says; raises InvalidInput naming the column."""
        if row.problem:
            raise InvalidInput(row.problem)
        values, face = self._sort(row.values)
        issued_on = _day(values.get("issued_on"), "issued_on")
        valid_from = values.get("valid_from")
        return HistoricLicence(
            licence_number=_text(values.get("licence_number"), "licence_number"),
            holders=_holders(values),
            face=face,
            issued_on=issued_on,
            valid_from=issued_on if valid_from in (None, "") else _day(valid_from, "valid_from"),
            valid_to=_last_day(values.get("valid_to")),
            state=_text(values.get("state"), "state"),
            state_on=None if values.get("state_on") in (None, "") else _day(values["state_on"], "state_on"),
            state_reason=_text(values.get("state_reason"), "state_reason"),
        )

    def _sort(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        values: dict[str, Any] = {}
        face: dict[str, Any] = {}
        for column, value in given.items():
            if column in {"face", "holders"} and not isinstance(value, str):
                continue
            own = _COLUMNS.get(column, column)
            name = self._names.get(column)
            if own in _OWN:
                values[own] = value
            elif name is None:
                raise InvalidInput("没有这一列的定义 / the type does not know this column.", field=column[:60])
            elif value not in (None, ""):
                face[name] = self._value(name, value)
        nested = given.get("face")
        if isinstance(nested, dict):
            face |= nested
        values["holders"] = given.get("holders")
        return values, face

    def _value(self, name: str, value: Any) -> Any:  # noqa: ANN401 - any cell
        schema = self._fields[name]
        if schema.get("format") == "date":
            return _day(value, name).isoformat()
        if schema.get("type") == "integer" and not isinstance(value, int):
            text = _text(value, name)
            return int(text) if text.isascii() and text.isdigit() else text
        if schema.get("type") == "array" and not isinstance(value, list):
            return [part.strip() for part in _LIST.split(_text(value, name)) if part.strip()]
        return value if isinstance(value, list | dict | int) else _text(value, name)


def _text(value: Any, field: str) -> str:  # noqa: ANN401 - any cell
    """Return a cell as text; a spreadsheet's formula, or what would become one, is refused."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, datetime | date):
        value = value.strftime("%Y-%m-%d")
    text = str(value).strip()
    if len(text) > MAX_CELL:
        raise InvalidInput(f"最多 {MAX_CELL} 个字符 / at most {MAX_CELL} characters.", field=field)
    if text[:1] in {"=", "@", "\t"} or (text[:1] in {"+", "-"} and not _PLAIN_NUMBER.fullmatch(text)):
        raise InvalidInput("以公式字符开头 / begins like a formula.", field=field)
    return text


def _day(value: Any, field: str) -> date:  # noqa: ANN401 - any cell
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    match = _DATE.fullmatch(_text(value, field))
    try:
        if match is not None:
            year, month, day = (int(part) for part in match.groups() if part is not None)
            return date(year, month, day)
    except ValueError:
        pass
    raise InvalidInput("不是日期 / not a date.", field=field)


def _last_day(value: Any) -> date | None:  # noqa: ANN401 - any cell
    if value is None or (isinstance(value, str) and value.strip() in LONG_TERM_WORDS):
        return None
    return _day(value, "valid_to")


def _holders(values: Mapping[str, Any]) -> tuple[Holder, ...]:
    nested = values.get("holders")
    if isinstance(nested, list):
        return tuple(_holder(one) for one in nested)
    columns = [_SEVERAL.split(_text(values.get(f"holder_{part}"), f"holder_{part}")) for part in ("name", "code")]
    types = _SEVERAL.split(_text(values.get("holder_code_type"), "holder_code_type"))
    names, codes = columns
    if len(types) == 1:
        types *= len(names)
    if not len(names) == len(codes) == len(types):
        raise InvalidInput("名称、代码、类型个数不一致 / names, codes and types differ in number.", field="holder_code")
    return tuple(Holder(*one) for one in zip(names, types, codes, strict=True))


def _holder(value: Any) -> Holder:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict) or set(value) != {"name", "code_type", "code"}:
        raise InvalidInput("须为 name、code_type、code / needs name, code_type, code.", field="holders")
    return Holder(*(_text(value[part], f"holders.{part}") for part in ("name", "code_type", "code")))


def name_of_import(path: Path, issuer_code: str, type_code: str) -> str:
    """Return a name that is the same for the same file, issuer and type."""
    digest = hashlib.sha256(f"{issuer_code} {type_code} ".encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return "imp_" + digest.hexdigest()[:40]


def after(rows: Iterable[RawRow], done: int) -> Iterator[RawRow]:
    """Yield the rows behind those an earlier run counted."""
    for position, row in enumerate(rows):
        if position >= done:
            yield row


def chunks(rows: Iterable[RawRow], size: int) -> Iterator[list[RawRow]]:
    """Yield rows in lists of at most `size`."""
    chunk: list[RawRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
