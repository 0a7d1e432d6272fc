"""Backfill: row by row with reasons, once however often, going on after a kill, and no formula stored."""

from __future__ import annotations

import csv
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from openpyxl import Workbook
from sqlalchemy import func, select

from foundation.errors import InvalidInput, NotPermitted
from foundation.tables import audit_log
from licence_vault import backfill as backfill_module
from licence_vault import numbering
from licence_vault.backfill_rows import UnreadableFile
from licence_vault.identifier import parse_identifier
from licence_vault.model import Holder, LicenceState
from licence_vault.tables import licence_holders, licence_states, licence_status_lists, licences
from tests.licence_vault.conftest import BUREAU, CHEN, OFFICER, OPERATOR
from tests.licence_vault.samples import ESTATE, FACES, FOOD, ISSUER, OTHER_ISSUER, citizen, enterprise

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.database import Database
    from licence_vault.assembly import Vault
    from licence_vault.backfill import ImportProgress, Reject

HEADER = [
    "ZZBH",
    "ZZBFRQ",
    "ZZYXQQSRQ",
    "ZZYXQJZRQ",
    "CZZT",
    "CZZTDM",
    "CZZTDMLX",
    "ZZZT",
    "ZTBGRQ",
    "法定代表人(负责人)",
    "住所",
    "KZ_business_premises",
    "主体业态",
    "business_items",
    "日常监督管理机构",
    "签发人",
]


def row(number: int = 1, **changes: str) -> dict[str, str]:
    """Return one good row; `changes` replace cells."""
    values = dict(
        zip(
            HEADER,
            [
                f"JY2500101{number:07d}",
                "2023-05-06",
                "2023/5/6",
                "2028年5月5日",
                "陈伟",
                citizen(number % 1000),
                "身份证",
                "",
                "",
                "陈伟",
                "人民路1号",
                "人民路1号附3号",
                "餐饮服务经营者",
                "热食类食品制售;自制饮品制售",
                "人民路所",
                "张三",
            ],
            strict=True,
        )
    )
    return values | changes


def write_csv(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8-sig") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


async def run(vault: Vault, path: Path, **options: Any) -> ImportProgress:  # noqa: ANN401 - any option
    settings = {"file_format": path.suffix[1:], "issuer_code": ISSUER, "type_code": FOOD} | options
    return await vault.backfill.run(OPERATOR, path, **settings)


async def stored(database: Database) -> list[int]:
    async with database.read() as connection:
        return [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (licences, licence_holders, licence_states)
        ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "gb18030"])
async def test_a_csv_file_becomes_licences(vault: Vault, database: Database, tmp_path: Path, encoding: str) -> None:
    path = write_csv(tmp_path / "old.csv", [row(123), row(124, ZZZT="注销", ZTBGRQ="2025-01-02")], encoding)
    progress = await run(vault, path)
    assert (progress.rows, progress.accepted, progress.rejected, progress.finished) == (2, 2, 0, True)
    mine = await vault.licences.of_holder(CHEN)
    assert [(one.licence_number, one.state, one.document_digest) for one in mine] == [
        ("JY25001010000123", LicenceState.VALID, "")
    ]
    assert mine[0].face == {
        "legal_representative": "陈伟",
        "residence": "人民路1号",
        "business_premises": "人民路1号附3号",
        "main_business_format": "餐饮服务经营者",
        "business_items": ["热食类食品制售", "自制饮品制售"],
        "supervision_authority": "人民路所",
        "signed_by": "张三",
    }
    assert (mine[0].issued_on, mine[0].valid_to) == (date(2023, 5, 6), date(2028, 5, 5))
    assert parse_identifier(mine[0].identifier).serial == "20230000001"
    assert mine[0].holders == (Holder("陈伟", "111", citizen(123)),)
    both = await vault.licences.of_issuer(OFFICER)
    assert sorted(one.state for one in both) == [LicenceState.CANCELLED, LicenceState.VALID]
    async with database.read() as connection:
        facts = await vault.records.find(connection, mine[0].identifier)
    assert facts is not None
    assert facts.state is LicenceState.VALID


async def test_the_face_is_made_on_first_use(vault: Vault, tmp_path: Path) -> None:
    await run(vault, write_csv(tmp_path / "old.csv", [row(123)]))
    identifier = (await vault.licences.of_holder(CHEN))[0].identifier
    document = await vault.licences.face_pdf(CHEN, identifier)
    assert document.pdf.startswith(b"%PDF")
    assert (await vault.licences.face_pdf(BUREAU, identifier)).digest == document.digest
    licence = await vault.licences.get(CHEN, identifier)
    assert licence.document_digest == document.digest
    assert "#HF1" in licence.qr_text
    assert await vault.records.find_document(bytes.fromhex(document.digest)) == identifier


async def test_xlsx_and_ndjson_are_read_too(vault: Vault, tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.create_sheet(index=0)
    values = row(200)
    sheet.append(list(values))
    sheet.append([date(2023, 5, 6) if name == "ZZBFRQ" else cell for name, cell in values.items()])
    book.save(tmp_path / "old.xlsx")
    assert (await run(vault, tmp_path / "old.xlsx")).accepted == 1
    lines = [
        {
            "licence_number": f"演(2020)不动产权第{number}号",
            "issued_on": "2020-01-02",
            "holders": [
                {"name": "陈伟", "code_type": "111", "code": citizen()},
                {"name": "演示公司", "code_type": "001", "code": enterprise()},
            ],
            "face": FACES[ESTATE],
        }
        for number in range(3)
    ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\nnot json\n[1]\n"
    (tmp_path / "old.ndjson").write_text(text, "utf-8")
    progress = await run(vault, tmp_path / "old.ndjson", type_code=ESTATE)
    assert (progress.accepted, progress.rejected) == (3, 2)
    assert len((await vault.licences.of_holder(CHEN))[0].holders) == 2


BAD_ROWS: list[tuple[dict[str, str], str, str]] = [
    ({"CZZTDM": citizen(1)[:-1] + "A"}, "holders.0.code", ""),
    ({"CZZTDMLX": "护照本"}, "holders.0.code_type", "代码类型"),
    ({"CZZT": "陈伟;李娜"}, "holder_code", "个数不一致"),
    ({"CZZT": "=HYPERLINK(1)"}, "holder_name", "公式"),
    ({"住所": "@SUM(A1)"}, "residence", "公式"),
    ({"签发人": "+cmd|' /C calc'!A0"}, "signed_by", "公式"),
    ({"签发人": "-2+3"}, "signed_by", "公式"),
    ({"ZZBFRQ": "2023-02-30"}, "issued_on", "不是日期"),
    ({"ZZBFRQ": ""}, "issued_on", "不是日期"),
    ({"ZZBFRQ": "2099-01-01"}, "issued_on", "今天"),
    ({"ZZYXQJZRQ": "长期"}, "valid_to", "截止日期"),
    ({"ZZBH": ""}, "licence_number", "不能为空"),
    ({"主体业态": "杂货"}, "face.main_business_format", "只能是"),
    ({"签发人": ""}, "face.signed_by", "缺少必填项"),
    ({"住所": "路" * 6000}, "residence", "最多"),
    ({"住所": "路\u202e"}, "face.residence", "不可见"),
    ({"ZZZT": "丢失"}, "state", "状态"),
    ({"ZZZT": "注销", "ZTBGRQ": "1999-01-01"}, "state_on", "日期"),
]


async def test_every_bad_row_is_rejected_by_field_with_a_reason(
    vault: Vault, database: Database, tmp_path: Path
) -> None:
    rows = [row(number, **change) for number, (change, _, _) in enumerate(BAD_ROWS, start=1)]
    progress = await run(vault, write_csv(tmp_path / "bad.csv", [*rows, row(99)]))
    assert (progress.accepted, progress.rejected) == (1, len(BAD_ROWS))
    rejects = await vault.backfill.rejects(progress.import_id)
    assert [one.row_number for one in rejects] == list(range(2, len(BAD_ROWS) + 2))
    for reject, (change, field, word) in zip(rejects, BAD_ROWS, strict=True):
        assert (reject.field, word in reject.reason) == (field, True), change
        assert not any(value in reject.reason for value in change.values() if len(value) > 2)
    assert await stored(database) == [1, 1, 1]


async def test_broken_lines_and_stray_bytes_are_rows_rejected(vault: Vault, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", [row(1), row(2), row(3)])
    data = path.read_bytes().replace("人民路1号附3号".encode(), "人民路".encode() + b"\xff\xfe", 1)
    path.write_bytes(data + b"a,b,c" + b",d" * 40 + b"\n")
    progress = await run(vault, path)
    assert (progress.accepted, progress.rejected) == (2, 2)
    rejects: tuple[Reject, ...] = await vault.backfill.rejects(progress.import_id)
    assert [one.row_number for one in rejects] == [2, 5]


async def test_the_same_file_and_the_same_rows_again_change_nothing(
    vault: Vault, database: Database, tmp_path: Path
) -> None:
    first = await run(vault, write_csv(tmp_path / "a.csv", [row(1), row(2)]))
    assert await run(vault, tmp_path / "a.csv") == first
    again = await run(vault, write_csv(tmp_path / "b.csv", [row(2), row(3), row(3), row(1, 签发人="李四")]))
    assert (again.accepted, again.repeated, again.rejected) == (1, 2, 1)
    assert (await vault.backfill.rejects(again.import_id))[0].field == "licence_number"
    assert await stored(database) == [3, 3, 3]


async def test_an_import_killed_between_chunks_goes_on_where_it_stood(
    vault: Vault, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_module, "CHUNK", 10)
    path = write_csv(tmp_path / "old.csv", [row(number) for number in range(1, 46)])
    seen: list[int] = []

    def killed(progress: ImportProgress) -> None:
        seen.append(progress.rows)
        if progress.rows == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await run(vault, path, watch=killed)
    assert await stored(database) == [20, 20, 20]
    progress = await run(vault, path, watch=lambda one: seen.append(one.rows))
    assert seen == [10, 20, 30, 40, 45]
    assert (progress.accepted, progress.repeated, progress.finished) == (45, 0, True)
    serials = sorted(parse_identifier(one.identifier).serial for one in await vault.licences.of_issuer(BUREAU))
    assert serials == [f"2023{number:07d}" for number in range(1, 46)]


async def test_places_spread_over_several_lists(
    vault: Vault, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbering, "CAPACITY", 16)
    await run(vault, write_csv(tmp_path / "old.csv", [row(number) for number in range(1, 41)]))
    async with database.read() as connection:
        lists = (await connection.execute(select(licence_status_lists.c.allocated))).scalars().all()
        places = (await connection.execute(select(licences.c.status_list, licences.c.status_index))).all()
    assert sorted(lists) == [8, 16, 16]
    assert len(set(places)) == 40


async def test_each_chunk_is_audited(vault: Vault, database: Database, tmp_path: Path) -> None:
    await run(vault, write_csv(tmp_path / "old.csv", [row(1), row(2)]))
    async with database.read() as connection:
        rows = await connection.execute(
            select(audit_log.c.action, audit_log.c.detail)
            .where(audit_log.c.action.like("licence_vault.import%"))
            .order_by(audit_log.c.audit_id)
        )
        found = [(one.action, one.detail) for one in rows]
    assert [action for action, _ in found] == ["licence_vault.import_chunk", "licence_vault.import"]
    assert found[0][1]["count"] == 2
    assert len(found[0][1]["identifiers_sha256"]) == 64


async def test_wrong_use_is_named(vault: Vault, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", [row(1)])
    with pytest.raises(NotPermitted):
        await vault.backfill.run(BUREAU, path, file_format="csv", issuer_code=ISSUER, type_code=FOOD)
    with pytest.raises(InvalidInput):
        await run(vault, path, issuer_code="11500101MB0000099X")
    for name, data in (("empty.csv", b""), ("twice.csv", b"ZZBH,ZZBH\n1,2\n"), ("not.xlsx", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnreadableFile):
            await run(vault, tmp_path / name)
    unknown = write_csv(tmp_path / "unknown.csv", [row(1) | {"备用": "x"}])
    progress = await run(vault, unknown, issuer_code=OTHER_ISSUER)
    assert [one.field for one in await vault.backfill.rejects(progress.import_id)] == ["备用"]
