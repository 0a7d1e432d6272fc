"""The moment a verification is about, and as known when: by the API and by the page, right and wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.clock import civil_date
from tests.api.test_json_routes import issue

if TYPE_CHECKING:
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

TODAY = civil_date(datetime.now(UTC))
WAYS = ("identifier", "qr", "pdf")
EDGES = ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00")


@pytest.mark.parametrize("way", WAYS)
async def test_every_route_takes_both_moments_and_names_the_one_that_is_wrong(city: City, way: str) -> None:
    licence = await issue(city)
    pdf = await city.http.get(f"/api/v1/licences/{licence['identifier']}/pdf", headers=await city.headers())
    sent = {"identifier": {"identifier": licence["identifier"]}, "qr": {"text": licence["qr_text"]}, "pdf": {}}[way]
    then = datetime.now(UTC).isoformat()

    async def ask(**moments: str) -> tuple[int, dict[str, object]]:
        address = f"/api/v1/verifications/{way}"
        if way == "pdf":
            answer = await city.http.post(address, files={"document": ("a.pdf", pdf.content)}, data=moments)
        else:
            answer = await city.http.post(address, json=sent | moments)
        return answer.status_code, answer.json()

    status, body = await ask(at=then, known_at=then)
    report = body["report"]
    assert isinstance(report, dict)
    assert (status, report["verdict"], report["reason"]) == (200, "VALID", "all_checks_passed")
    assert report["judged_at"] == report["known_at"] == then.replace("+00:00", "Z")
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for field in ("at", "known_at"):
        for wrong in (later, "yesterday", "2026-01-01T00:00:00", *(EDGES[:1] if way == "pdf" else EDGES)):
            status, body = await ask(**{field: wrong})
            errors = body["errors"]
            assert isinstance(errors, list)
            assert (status, errors[0]["field"].rpartition(".")[2]) == (422, field), (wrong, body)


@pytest.mark.parametrize("way", WAYS)
async def test_the_page_asks_about_a_day(city: City, way: str) -> None:
    licence = await issue(city)
    pdf = await city.http.get(f"/api/v1/licences/{licence['identifier']}/pdf", headers=await city.headers())
    filled = {"identifier": {"identifier": licence["identifier"]}, "qr": {"text": licence["qr_text"]}, "pdf": {}}[way]

    async def ask(at: str, known_at: str, document: bytes = pdf.content) -> tuple[int, str]:
        files = {"document": ("a.pdf", document)} if way == "pdf" else None
        days = {f"{way}_at": at, f"{way}_known_at": known_at}
        answer = await city.http.post(f"/v/{way}", data=filled | days, files=files, headers={"origin": city.url})
        return answer.status_code, answer.text

    today, tomorrow = TODAY.isoformat(), (TODAY + timedelta(days=2)).isoformat()
    for at, known_at in ((today, today),) if way == "pdf" else ((today, ""), (today, today), ("", today)):
        status, page = await ask(at, known_at)
        assert status == 200
        assert re.search(r'<h1 class="long">按 [\d年月日 :]+ 所知，[\d年月日 :]+ 有效；不说明现在是否有效</h1>', page)
        assert "这只说明所问那一天的情况" in page
    if way != "pdf":  # few PDFs a minute are taken from one source
        status, page = await ask("", "2001-01-01")
        assert "无效；不说明现在是否有效</h1>" in page
        assert "该证照尚未签发生效" in page
    for at, known_at, sentence in (
        (tomorrow, "", "这一天还没有到"),
        ("", tomorrow, "这一天还没有到"),
        ("gestern", "", "请选择一个日期"),
        (today, "0001-01-01", "请选择一个日期"),
        ("1899-12-31", "", "请选择一个日期"),
        (today, "9999-12-31", "这一天还没有到"),
    ):
        status, page = await ask(at, known_at)
        assert (status, sentence in page) == (422, True), (at, known_at)
        # What was typed is still there, and the disclosure is open.
        assert f'value="{at or known_at}"' in page
        assert "<details open>" in page
    if way == "pdf":
        status, page = await ask(today, "", b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA")
        assert (status, "回执只说明它自己记载的时点" in page) == (422, True)
