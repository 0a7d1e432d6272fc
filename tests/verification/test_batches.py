from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from foundation.errors import InvalidInput, LimitExceeded, NotFound, ServiceUnavailable, TooManyRequests
from foundation.jobs import Worker
from foundation.principal import Principal, PrincipalKind
from foundation.tables import audit_log
from tests.verification.city import BUREAU, City, small_city
from verification.as_of import AsOf
from verification.batches.export import as_csv, as_ndjson
from verification.batches.rows import CSV, JSON, MAXIMUM_ROWS, NDJSON, BatchRow, read_rows
from verification.batches.service import OPEN_BATCHES, TOGETHER, VerificationBatches
from verification.tables import batch_rows, row_batches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings

HOLDER = "陈伟"
UNKNOWN = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"


@pytest.fixture
async def city(settings: Settings) -> AsyncIterator[City]:
    async with small_city(settings) as city:
        yield city


def batches_of(city: City) -> VerificationBatches:
    batches = city.application.verification.batches
    assert batches is not None
    return batches


async def work(city: City, settings: Settings) -> None:
    await Worker(
        city.application.services.database, settings.database_url, city.application.verification.job_handlers()
    ).drain()


async def test_a_table_is_judged_row_by_row_with_receipts_and_then_forgotten(city: City, settings: Settings) -> None:
    licence = await city.issue()
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["ref", "identifier", "qr", "holder_name"])
    writer.writerow(["A-1", licence.identifier, "", ""])
    writer.writerow(["A-2", "", licence.qr_text, ""])
    writer.writerow(["A-3", licence.identifier, "", "别人"])
    writer.writerow(["=A-4", licence.identifier[:-1] + "?", "", ""])
    batches = batches_of(city)
    rows = read_rows(("\ufeff" + table.getvalue()).encode(), CSV)
    begun = await batches.start(BUREAU, rows)
    assert (begun.total, begun.done, begun.finished) == (4, 0, False)
    await work(city, settings)

    progress = await batches.progress(BUREAU, begun.batch_id)
    assert (progress.finished, progress.verdicts) == (True, {"VALID": 2, "INVALID": 2})
    results = [json.loads(line) async for line in as_ndjson(batches.results(BUREAU, begun.batch_id))]
    assert [(item["row"], item["ref"], item["verdict"], item["reason"]) for item in results] == [
        (1, "A-1", "VALID", "all_checks_passed"),
        (2, "A-2", "VALID", "all_checks_passed"),
        (3, "A-3", "INVALID", "holder_differs"),
        (4, "=A-4", "INVALID", "identifier_malformed"),
    ]
    assert results[2]["compared"] == {"holder_name": False}
    genuine = await city.application.services.verification.by_receipt(results[0]["receipt"])
    assert genuine.subject.identifier == licence.identifier
    # Nothing about a holder comes back, and a spreadsheet runs nothing.
    told = b"".join([line async for line in as_csv(batches.results(BUREAU, begun.batch_id))]).decode("utf-8-sig")
    assert HOLDER not in told
    assert [line["ref"] for line in csv.DictReader(io.StringIO(told))] == ["A-1", "A-2", "A-3", "'=A-4"]
    async with city.application.services.database.read() as connection:
        kept = (await connection.execute(select(func.count()).where(batch_rows.c.row.is_not(None)))).scalar_one()
        judged = select(func.count()).where(audit_log.c.action == "verification.judge")
        assert (kept, (await connection.execute(judged)).scalar_one()) == (0, 4)


@pytest.mark.timeout(300)  # on a machine that does much else
async def test_the_largest_batch_is_judged_whole_and_in_order(city: City, settings: Settings) -> None:
    count = MAXIMUM_ROWS
    licence = await city.issue()
    kinds = (
        (BatchRow("identifier", licence.identifier), "VALID"),
        (BatchRow("qr", licence.qr_text), "VALID"),
        (BatchRow("identifier", licence.identifier, compare=(("holder_name", "别人"),)), "INVALID"),
        (BatchRow("identifier", licence.identifier[:-1] + "?"), "INVALID"),
        (BatchRow("identifier", UNKNOWN), "UNDETERMINED"),
    )
    rows = [replace(kinds[number % 5][0], ref=f"R-{number}") for number in range(count)]
    batches = batches_of(city)
    begun = await batches.start(BUREAU, rows)
    await work(city, settings)
    progress = await batches.progress(BUREAU, begun.batch_id)
    assert (progress.done, progress.failed, progress.finished) == (count, 0, True)
    assert progress.verdicts == Counter(kinds[number % 5][1] for number in range(count))
    results = [json.loads(line) async for line in as_ndjson(batches.results(BUREAU, begun.batch_id))]
    assert [(item["row"], item["ref"], item["verdict"]) for item in results] == [
        (number + 1, f"R-{number}", kinds[number % 5][1]) for number in range(count)
    ]
    assert len({item["receipt"] for item in results}) == count
    async with city.application.services.database.read() as connection:
        judged = select(func.count()).where(audit_log.c.action == "verification.judge")
        assert (await connection.execute(judged)).scalar_one() == count


async def test_a_worker_that_dies_leaves_rows_waiting_and_the_next_judges_each_once(
    city: City, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches, service = batches_of(city), city.application.services.verification
    begun = await batches.start(BUREAU, [BatchRow("identifier", UNKNOWN)] * (TOGETHER + 30))
    original, asked = service.by_identifier, []

    async def dies(principal: Principal, text: str, **given: object) -> object:
        asked.append(text)
        if len(asked) == TOGETHER + 10:
            raise ServiceUnavailable("killed")
        return await original(principal, text, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(service, "by_identifier", dies)
    payload = {"batch_id": begun.batch_id, "first": 1, "last": TOGETHER + 30}
    with pytest.raises(ServiceUnavailable):
        await batches._chunk(payload)
    halfway = await batches.progress(BUREAU, begun.batch_id)
    assert (halfway.done, halfway.finished) == (TOGETHER, False)
    assert len([line async for line in batches.results(BUREAU, begun.batch_id)]) == TOGETHER
    monkeypatch.setattr(service, "by_identifier", original)
    # Two workers at once: the WHERE clause lets each row be settled once.
    await asyncio.gather(batches._chunk(payload), batches._chunk(payload))
    await work(city, settings)
    progress = await batches.progress(BUREAU, begun.batch_id)
    assert (progress.finished, progress.verdicts) == (True, {"UNDETERMINED": TOGETHER + 30})


async def test_each_row_has_its_own_moments(city: City, settings: Settings) -> None:
    before = city.application.services.clock.now()
    licence = await city.issue()
    then = city.application.services.clock.now()
    moments = ((before - timedelta(days=5), None), (then, then), (None, before), (None, None))
    rows = [BatchRow("qr", licence.qr_text, as_of=AsOf(*asked)) for asked in moments]
    table = "identifier,at,known_at\n" + f"{licence.identifier},{then.isoformat()},{then.isoformat()}\n"
    batches = batches_of(city)
    begun = await batches.start(BUREAU, [*rows, *read_rows(table.encode(), CSV)])
    await work(city, settings)
    told = b"".join([line async for line in as_csv(batches.results(BUREAU, begun.batch_id))]).decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(told)))
    assert [line["reason"] for line in lines] == [
        "licence_pending",
        "all_checks_passed",
        "licence_pending",
        "all_checks_passed",
        "all_checks_passed",
    ]
    asked = then.isoformat().replace("+00:00", "Z")
    assert [(line["judged_at"], line["known_at"]) for line in (lines[1], lines[4])] == [(asked, asked)] * 2
    assert (lines[2]["known_at"], lines[3]["known_at"]) == (before.isoformat().replace("+00:00", "Z"), "")
    later = AsOf(known_at=then + timedelta(days=1))
    with pytest.raises(InvalidInput, match="future") as refused:
        await batches.start(BUREAU, [rows[0], replace(rows[0], as_of=later)])
    assert refused.value.field == "rows.2.known_at"


async def test_a_batch_is_its_organisations_own_is_limited_and_goes_after_its_time(
    city: City, settings: Settings
) -> None:
    batches = batches_of(city)
    begun = await batches.start(BUREAU, [BatchRow("identifier", "x")])
    other = Principal(PrincipalKind.CLIENT, "cli_other", organisation_code="11500000MB0000001X")
    with pytest.raises(NotFound):
        await batches.progress(other, begun.batch_id)
    with pytest.raises(NotFound):
        _ = [line async for line in batches.results(other, begun.batch_id)]
    for _ in range(OPEN_BATCHES - 1):
        await batches.start(BUREAU, [BatchRow("identifier", "x")])
    with pytest.raises(TooManyRequests):
        await batches.start(BUREAU, [BatchRow("identifier", "x")])
    await work(city, settings)
    await batches.purge()
    assert (await batches.progress(BUREAU, begun.batch_id)).finished
    # Nothing is left of a batch whose time is over.
    async with city.application.services.database.transaction() as connection:
        over = city.application.services.clock.now() - timedelta(seconds=1)
        await connection.execute(row_batches.update().values(expires_at=over))
    with pytest.raises(NotFound):
        await batches.progress(BUREAU, begun.batch_id)
    await batches.purge()
    async with city.application.services.database.read() as connection:
        left = [
            (await connection.execute(select(func.count()).select_from(t))).scalar_one()
            for t in (row_batches, batch_rows)
        ]
    assert left == [0, 0]


@pytest.mark.parametrize(
    ("body", "media_type", "field"),
    [
        ("", CSV, "rows"),
        ("name,age\nx,1\n", CSV, "rows"),
        ("identifier\na,b\n", CSV, "rows.2"),
        ("identifier,qr\na,b\n", CSV, "rows.1"),
        ("identifier,holder\na,b\n", CSV, "rows.1.holder"),
        ('identifier\n"a', CSV, "rows"),
        ("identifier,at\na,yesterday\n", CSV, "rows.1.at"),
        ("identifier,at\na,2026-01-01T00:00:00\n", CSV, "rows.1.at"),
        ("identifier,known_at\na,\nb,2026-01-01\n", CSV, "rows.2.known_at"),
        ('{"identifier": "a"}\n{"identifier": 7}', NDJSON, "rows.2.identifier"),
        ('{"identifier": "a"}\nnonsense', NDJSON, "rows.2"),
        ("7", JSON, "rows"),
        ('{"rows": [], "more": 1}', JSON, "rows"),
        ("[" * 100_000, JSON, "rows"),
        ('[["a"]]', JSON, "rows.1"),
        ('[{"qr": "a", "holder_name": "b"}]', JSON, "rows.1"),
        ('[{"identifier": "a\\u0000b"}]', JSON, "rows.1.identifier"),
        ('[{"identifier": "%s"}]' % ("a" * 301), JSON, "rows.1.identifier"),
        ("[]", "text/html", "rows"),
    ],
    ids=str,
)
def test_a_row_that_breaks_a_rule_is_named_and_nothing_is_taken(body: str, media_type: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_rows(body.encode(), media_type)
    assert caught.value.field == field


def test_what_is_no_text_and_what_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidInput):
        read_rows(b"identifier\n\xff", CSV)
    with pytest.raises(LimitExceeded):
        read_rows(b"identifier\n" + b"a\n" * (MAXIMUM_ROWS + 1), CSV)
    assert len(read_rows(b"identifier\n" + b"a\n" * MAXIMUM_ROWS, CSV)) == MAXIMUM_ROWS
