"""Taking over the accounts of existing systems (存量账户): validated, idempotent, resumable.

An account is known by its system and its id there; a second run changes nothing. Accounts
are linked to persons by proof only, never here. The position in the file is stored with each
batch, in the batch's transaction, so that a killed run goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import re
from dataclasses import asdict, dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from sqlalchemy import insert, select, text, update

from foundation.audit import AuditEvent
from foundation.errors import Conflict, InvalidInput
from foundation.ids import new_id
from idp.people.account import normalise_mobile, normalise_username
from idp.people.foreign_hashes import problem
from idp.people.tables import account_imports, accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.tools import Tools

BATCH = 1000
LONGEST_LINE = 16_384
COLUMNS = ("source_id", "username", "password_hash", "mobile")
_SYSTEM = re.compile(r"[a-z][a-z0-9\-]{1,30}\Z")
_SOURCE_ID = re.compile(r"[A-Za-z0-9_\-.]{1,64}\Z")

_INSERT = text(
    "INSERT INTO accounts (account_id, kind, state, username, mobile, mobile_index, password_hash, origin,"
    " created_at, updated_at)"
    " SELECT account_id, 'person', 'active', username, mobile, mobile_index, password_hash, origin, :now, :now"
    " FROM unnest(CAST(:account_ids AS text[]), CAST(:usernames AS text[]), CAST(:mobiles AS bytea[]),"
    " CAST(:mobile_indexes AS bytea[]), CAST(:hashes AS text[]), CAST(:origins AS text[]))"
    " AS t (account_id, username, mobile, mobile_index, password_hash, origin)"
    " ON CONFLICT DO NOTHING RETURNING origin"
)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a row was not taken: its number, the field and the rule, never the value."""

    row: int
    field: str
    rule: str


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import has come."""

    import_id: str
    rows: int = 0
    inserted: int = 0
    unchanged: int = 0
    rejected: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    origin: str
    username: str
    password_hash: str | None
    mobile: str | None


class AccountImport:
    """Use case of the import."""

    def __init__(self, tools: Tools) -> None:
        """Take the shared collaborators."""
        self._tools = tools

    async def run(
        self,
        principal: Principal,
        path: Path,
        *,
        system: str,
        rejects: Path,
        encoding: str = "utf-8-sig",
        report: Callable[[ImportProgress], None] | None = None,
    ) -> ImportProgress:
        """Import a CSV file (with a header line) or an NDJSON file; go on where a killed run stopped.

        Args:
            principal: who is recorded as importing.
            path: the file; columns `source_id`, `username`, and if known `password_hash`, `mobile`.
            system: short name of the system the accounts come from.
            rejects: where rejected rows are written, one JSON object a line.
            encoding: of the file.
            report: called after each batch.

        Raises: InvalidInput, Conflict (the same file is being imported by another process).
        """
        if not _SYSTEM.match(system):
            raise InvalidInput("A system's name has 2 to 31 lower-case letters, digits and hyphens.", field="system")
        digest = await asyncio.to_thread(_sha256, path)
        run = await self._start(principal, system, digest)
        progress = _progress(run)
        if progress.finished:
            return progress
        with rejects.open("a+b") as reject_file:
            reject_file.truncate(run.rejects_bytes)
            rows = islice(_rows(path, encoding), progress.rows, None)
            while batch := await asyncio.to_thread(lambda: list(islice(rows, BATCH))):
                progress = await self._batch(principal, system, progress, batch, reject_file)
                if report is not None:
                    report(progress)
        await self._finish(principal, progress)
        return ImportProgress(**{**asdict(progress), "finished": True})

    async def _start(self, principal: Principal, system: str, digest: bytes) -> Row[Any]:
        async with self._tools.database.transaction() as connection:
            found = select(account_imports).where(
                account_imports.c.system == system, account_imports.c.file_sha256 == digest
            )
            row = (await connection.execute(found)).first()
            if row is not None:
                return row
            import_id = new_id("imp")
            values = {
                "import_id": import_id,
                "system": system,
                "file_sha256": digest,
                "rows": 0,
                "inserted": 0,
                "unchanged": 0,
                "rejected": 0,
                "rejects_bytes": 0,
                "started_at": self._tools.clock.now(),
            }
            started = await connection.execute(insert(account_imports).values(**values).returning(account_imports))
            event = AuditEvent("people.import_start", "account_import", import_id, {"system": system})
            await self._tools.audit.record(connection, principal, event)
            begun: Row[Any] = started.one()
            return begun

    async def _batch(
        self,
        principal: Principal,
        system: str,
        progress: ImportProgress,
        batch: list[Mapping[str, Any] | str],
        reject_file: IO[bytes],
    ) -> ImportProgress:
        good, bad = await asyncio.to_thread(self._check, batch, system, progress.rows)
        values = await asyncio.to_thread(self._values, good)
        async with self._tools.database.transaction() as connection:
            taken = await self._insert(connection, good, values, bad)
            reject_file.writelines(
                json.dumps(asdict(rejection)).encode() + b"\n" for rejection in sorted(bad, key=lambda r: r.row)
            )
            reject_file.flush()
            done = ImportProgress(
                progress.import_id,
                progress.rows + len(batch),
                progress.inserted + taken,
                progress.unchanged + len(batch) - taken - len(bad),
                progress.rejected + len(bad),
            )
            await self._advance(connection, progress, done, reject_file.tell())
            counts = {"rows": done.rows, "inserted": taken, "rejected": len(bad)}
            event = AuditEvent("people.import_batch", "account_import", progress.import_id, counts)
            await self._tools.audit.record(connection, principal, event)
        return done

    async def _insert(
        self, connection: AsyncConnection, good: list[_Row], values: Mapping[str, Any], bad: list[Rejection]
    ) -> int:
        """Insert the rows; those whose username belongs to another account join the rejections."""
        inserted = set((await connection.execute(_INSERT, {**values, "now": self._tools.clock.now()})).scalars())
        left = [row for row in good if row.origin not in inserted]
        if left:
            known = select(accounts.c.origin).where(accounts.c.origin.in_([row.origin for row in left]))
            present = set((await connection.execute(known)).scalars())
            bad += [
                Rejection(row.number, "username", "belongs to another account")
                for row in left
                if row.origin not in present
            ]
        return len(inserted)

    async def _advance(
        self, connection: AsyncConnection, progress: ImportProgress, done: ImportProgress, rejects_bytes: int
    ) -> None:
        statement = (
            update(account_imports)
            .where(account_imports.c.import_id == progress.import_id, account_imports.c.rows == progress.rows)
            .values(
                rows=done.rows,
                inserted=done.inserted,
                unchanged=done.unchanged,
                rejected=done.rejected,
                rejects_bytes=rejects_bytes,
            )
        )
        if (await connection.execute(statement)).rowcount != 1:
            raise Conflict("Another process is importing this file.")

    async def _finish(self, principal: Principal, progress: ImportProgress) -> None:
        async with self._tools.database.transaction() as connection:
            now = self._tools.clock.now()
            finished = update(account_imports).where(account_imports.c.import_id == progress.import_id)
            await connection.execute(finished.values(finished_at=now))
            event = AuditEvent("people.import_finish", "account_import", progress.import_id, {"rows": progress.rows})
            await self._tools.audit.record(connection, principal, event)

    def _check(
        self, batch: list[Mapping[str, Any] | str], system: str, before: int
    ) -> tuple[list[_Row], list[Rejection]]:
        good: dict[str, _Row] = {}
        bad: list[Rejection] = []
        for number, record in enumerate(batch, before + 1):
            checked = _checked(record, system, number)
            if isinstance(checked, Rejection):
                bad.append(checked)
            elif checked.origin in good:
                bad.append(Rejection(number, "source_id", "appears twice in the file"))
            else:
                good[checked.origin] = checked
        return list(good.values()), bad

    def _values(self, rows: list[_Row]) -> dict[str, list[Any]]:
        cipher = self._tools.cipher
        return {
            "account_ids": [new_id("acc") for _ in rows],
            "usernames": [row.username for row in rows],
            "mobiles": [row.mobile and cipher.encrypt(row.mobile, "accounts.mobile") for row in rows],
            "mobile_indexes": [row.mobile and cipher.blind_index(row.mobile, "accounts.mobile") for row in rows],
            "hashes": [row.password_hash for row in rows],
            "origins": [row.origin for row in rows],
        }


def _checked(record: Mapping[str, Any] | str, system: str, number: int) -> _Row | Rejection:
    if isinstance(record, str):
        return Rejection(number, "row", record)
    values = {name: record.get(name) or "" for name in COLUMNS}
    for name, value in values.items():
        if not isinstance(value, str) or not value.isprintable():
            return Rejection(number, name, "not readable text")
    if not _SOURCE_ID.match(values["source_id"]):
        return Rejection(number, "source_id", "1 to 64 letters, digits and _ - .")
    try:
        username = normalise_username(values["username"])
        mobile = normalise_mobile(values["mobile"]) if values["mobile"] else None
    except InvalidInput as error:
        return Rejection(number, error.field or "row", error.detail)
    hashed = values["password_hash"] or None
    if hashed is not None and (wrong := problem(hashed)):
        return Rejection(number, "password_hash", wrong)
    return _Row(number, f"{system}:{values['source_id']}", username, hashed, mobile)


def _rows(path: Path, encoding: str) -> Iterator[Mapping[str, Any] | str]:
    """Yield records, or in place of one that cannot be read the reason."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        lines = _lines(file)
        if path.suffix.lower() == ".csv":
            yield from _csv(lines)
            return
        for line in lines:
            if len(line) > LONGEST_LINE:
                yield "too long"
                continue
            try:
                record = json.loads(line)
            except ValueError:
                yield "not JSON"
                continue
            yield record if isinstance(record, dict) else "not a JSON object"


def _lines(file: IO[str]) -> Iterator[str]:
    """Yield lines, none held in memory much beyond the limit."""
    while line := file.readline(LONGEST_LINE + 1):
        while len(line) > LONGEST_LINE and not line.endswith("\n"):
            rest = file.readline(LONGEST_LINE + 1)
            if not rest or rest.endswith("\n"):
                break
        if line.strip():
            yield line


def _csv(lines: Iterator[str]) -> Iterator[Mapping[str, Any] | str]:
    header = next(csv.reader([next(lines, "")]), [])
    names = [name.strip() for name in header]
    if not {"source_id", "username"} <= set(names):
        raise InvalidInput("The first line names the columns, source_id and username among them.", field="file")
    for line in lines:
        if len(line) > LONGEST_LINE:
            yield "too long"
            continue
        try:
            cells = next(csv.reader([line], strict=True), [])
        except csv.Error:
            yield "not CSV"
            continue
        yield dict(zip(names, cells, strict=True)) if len(cells) == len(names) else "another number of columns"


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _progress(row: Row[Any]) -> ImportProgress:
    return ImportProgress(
        row.import_id, row.rows, row.inserted, row.unchanged, row.rejected, row.finished_at is not None
    )
