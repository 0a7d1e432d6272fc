from __future__ import annotations

import base64
import csv
import hashlib
import json
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
from sqlalchemy import func, select

from foundation.errors import InvalidInput, ServiceUnavailable
from foundation.principal import SYSTEM
from idp.people import foreign_hashes
from idp.people.tables import account_imports, accounts
from tests.idp.people.conftest import CHEN_WEI, Join

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.database import Database
    from idp.people.assembly import People
    from idp.people.importing import ImportProgress

# The vector of phpass's own test program (test.php); the other forms are made below by bcrypt and hashlib.
PASSWORD = "test12345"
PHPASS = "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"


def _bcrypt(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def _ssha(password: str, salt: bytes = b"NaCl") -> str:
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()  # noqa: S324


def _pbkdf2(password: str) -> str:
    made = hashlib.pbkdf2_hmac("sha256", password.encode(), b"saltsalt", 1000)
    return "pbkdf2_sha256$1000$saltsalt$" + base64.b64encode(made).decode()


def test_the_published_phpass_vector_is_verified() -> None:
    assert foreign_hashes.problem(PHPASS) is None
    assert foreign_hashes.verify(PHPASS, PASSWORD)
    assert not foreign_hashes.verify(PHPASS, "test12346")


@pytest.mark.parametrize(
    "stored", [_bcrypt("violet"), _ssha("violet"), _pbkdf2("violet")], ids=["bcrypt", "ssha", "pbkdf2"]
)
def test_foreign_hashes_fit_their_password_only(stored: str) -> None:
    assert foreign_hashes.problem(stored) is None
    assert foreign_hashes.verify(stored, "violet")
    assert not foreign_hashes.verify(stored, "violet2")


@pytest.mark.parametrize(
    "stored",
    [
        "", "5f4dcc3b5aa765d61d8327deb882cf99", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "pbkdf2_sha256$99999999$s$" + "A" * 44, "$2b$20$" + "a" * 53,
        "$P$Z" + "a" * 30, "$argon2id$v=19$m=65536",
    ],
)  # fmt: skip
def test_unsalted_costly_and_unknown_hashes_are_not_taken_in(stored: str) -> None:
    assert foreign_hashes.problem(stored) is not None


def _csv_file(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([["source_id", "username", "password_hash", "mobile"], *rows])
    return path


async def _import(people: People, path: Path, **changes: Any) -> ImportProgress:  # noqa: ANN401
    arguments: dict[str, Any] = {"system": "old-portal", "rejects": path.with_suffix(".rejected")} | changes
    return await people.importing.run(SYSTEM, path, **arguments)


def _reasons(path: Path) -> list[tuple[int, str]]:
    lines = path.with_suffix(".rejected").read_text().splitlines()
    return [(item["row"], item["field"]) for item in map(json.loads, lines)]


async def test_imported_people_sign_in_with_their_old_password_and_get_a_new_hash(
    people: People, join: Join, database: Database, tmp_path: Path
) -> None:
    rows = [["1", "OldUser", _bcrypt("violet-harbour"), "13900000022"], ["2", "laowang", _ssha("violet-harbour"), ""]]
    done = await _import(people, _csv_file(tmp_path / "accounts.csv", rows))
    assert (done.inserted, done.rejected, done.finished) == (2, 0, True)
    for name in ("olduser", "laowang"):
        session = await join.sign_in(name, "violet-harbour")
        assert session.person_id is None
        await join.sign_in(name, "violet-harbour")
    async with database.read() as connection:
        hashes = (await connection.execute(select(accounts.c.password_hash))).scalars().all()
    assert all(stored.startswith("$argon2id$") for stored in hashes)


async def test_an_imported_account_is_linked_by_proof(people: People, join: Join, tmp_path: Path) -> None:
    await _import(people, _csv_file(tmp_path / "a.csv", [["1", "陈伟-old", _bcrypt("violet-harbour"), ""]]))
    session = await join.sign_in("陈伟-old", "violet-harbour")
    await people.real_name.prove(session.principal(), "bank_card", CHEN_WEI.elements("bank_card"))
    assert (await join.again(session)).acr == "L2"


async def test_bad_rows_are_rejected_with_row_and_field_and_without_the_value(
    people: People, join: Join, tmp_path: Path
) -> None:
    await join.citizen("chenwei")
    good = _bcrypt("violet-harbour")
    path = _csv_file(
        tmp_path / "accounts.csv",
        [
            ["1", "gooduser", good, ""],
            ["", "nobody1", good, ""],
            ["3", "=cmd|' /C calc'!A0", good, ""],
            ["4", "+SUM(1)", good, ""],
            ["5", "plainhash", "5f4dcc3b5aa765d61d8327deb882cf99", ""],
            ["6", "badmobile", good, "12345"],
            ["7", "chenwei", good, ""],
            ["1", "gooduser2", good, ""],
            ["9", "gooduser", good, ""],
            ["=1+1", "formula", good, ""],
        ],
    )
    with path.open("ab") as file:
        file.write(b"11,\xff\xfe\xfd,,\r\n12,too,many,columns,here\r\n" + b'13,"unclosed,,\r\n')
    done = await _import(people, path)
    assert (done.rows, done.inserted, done.unchanged, done.rejected) == (13, 1, 0, 12)
    assert _reasons(path) == [
        (2, "source_id"), (3, "username"), (4, "username"), (5, "password_hash"), (6, "mobile"), (7, "username"),
        (8, "source_id"), (9, "username"), (10, "source_id"), (11, "username"), (12, "row"), (13, "row"),
    ]  # fmt: skip
    written = path.with_suffix(".rejected").read_text()
    assert "5f4dcc3b" not in written
    assert "SUM" not in written


async def test_a_second_run_and_a_longer_file_change_nothing_twice(people: People, tmp_path: Path) -> None:
    rows = [[str(n), f"user{n:05d}", "", ""] for n in range(30)]
    path = _csv_file(tmp_path / "accounts.csv", rows)
    assert (await _import(people, path)).inserted == 30
    again = await _import(people, path)
    assert (again.inserted, again.finished) == (30, True)
    longer = await _import(people, _csv_file(tmp_path / "more.csv", [*rows, ["30", "user00030", "", ""]]))
    assert (longer.inserted, longer.unchanged) == (1, 30)
    other = await _import(people, path, system="tax-office")
    assert (other.inserted, other.rejected) == (0, 30)


async def test_a_killed_import_goes_on_where_it_stopped(
    people: People, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp.people.importing.BATCH", 10)
    rows = [[str(n), f"user{n:05d}" if n % 7 else "-bad-", "", ""] for n in range(45)]
    path = _csv_file(tmp_path / "accounts.csv", rows)

    def killed(progress: ImportProgress) -> None:
        if progress.rows == 20:
            raise ServiceUnavailable("killed")

    with pytest.raises(ServiceUnavailable):
        await _import(people, path, report=killed)
    with path.with_suffix(".rejected").open("a") as rejects:
        rejects.write("half a li")
    seen: list[int] = []
    done = await _import(people, path, report=lambda progress: seen.append(progress.rows))
    assert seen == [30, 40, 45]
    assert (done.rows, done.inserted, done.rejected) == (45, 38, 7)
    assert _reasons(path) == [(n + 1, "username") for n in range(0, 45, 7)]
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(accounts))).scalar_one() == 38
        assert (await connection.execute(select(account_imports.c.rows))).scalar_one() == 45


async def test_ndjson_is_read_line_by_line(people: People, tmp_path: Path) -> None:
    path = tmp_path / "accounts.ndjson"
    lines = [
        '{"source_id": "1", "username": "ndjsonuser"}',
        "{",
        "[]",
        '{"source_id": 2, "username": "x"}',
        "x" * 40_000,
    ]
    path.write_text("\n".join(lines))
    done = await _import(people, path)
    assert (done.inserted, done.rejected) == (1, 4)


async def test_a_file_without_the_columns_and_a_bad_system_name_are_refused(people: People, tmp_path: Path) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInput):
        await _import(people, path)
    with pytest.raises(InvalidInput):
        await _import(people, path, system="Old Portal")
