"""Every open route has its limit for one network source, and holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from api.access import ACCESS, Way
from api.web.pages.public import PDFS_PER_MINUTE
from tests.api.documents import blank_pdf

if TYPE_CHECKING:
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUSY, OTHER = "127.0.0.77", "127.0.0.78"
LIMITED = {route: access.per_minute for route, access in ACCESS.items() if access.per_minute}


def from_source(city: City, address: str) -> httpx2.AsyncClient:
    transport = httpx2.AsyncHTTPTransport(local_address=address)
    return httpx2.AsyncClient(base_url=city.url, transport=transport, headers={"origin": city.url})


async def asked_before(city: City, name: str, times: int) -> None:
    """Count what a source has asked within this minute already."""
    for _ in range(times):
        await city.application.services.cache.count(name, window_seconds=60)


async def test_one_source_is_stopped_at_each_routes_limit_and_nobody_else(city: City) -> None:
    assert len(LIMITED) > 20
    assert all(access.way in (Way.OPEN, Way.EITHER) for access in ACCESS.values() if access.per_minute)
    wrong = {}
    async with from_source(city, BUSY) as busy, from_source(city, OTHER) as other:
        for (method, path), per_minute in LIMITED.items():
            await asked_before(city, f"public:{path}:{BUSY}", per_minute)
            address = path.replace("{", "").replace("}", "")
            stopped, heard = await busy.request(method, address), await other.request(method, address)
            retry = int(stopped.headers.get("retry-after", "0"))
            if stopped.status_code != 429 or heard.status_code == 429 or not 0 < retry <= 60:
                wrong[method, path] = (stopped.status_code, heard.status_code, retry)
    assert not wrong


async def test_the_last_request_within_the_limit_is_answered_and_the_next_is_not(city: City) -> None:
    path = "/api/v1/verifications/identifier"
    async with from_source(city, "127.0.0.79") as http:
        await asked_before(city, f"public:{path}:127.0.0.79", LIMITED["POST", path] - 1)
        answers = [(await http.post(path, json={"identifier": "x"})).status_code for _ in range(2)]
    assert answers == [200, 429]


async def test_a_hall_behind_one_address_may_bring_more_photos_than_documents(city: City) -> None:
    source = "127.0.0.80"
    await asked_before(city, f"public:/v/pdfpdf:{source}", PDFS_PER_MINUTE)
    async with from_source(city, source) as http:
        photo = await http.post("/v/pdf", files={"document": ("photo.jpg", b"\xff\xd8\xff no picture")})
        document = await http.post("/v/pdf", files={"document": ("a.pdf", blank_pdf())})
    assert (photo.status_code, document.status_code) == (422, 429)
