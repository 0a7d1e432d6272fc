"""What a page is sent that no form of ours sends: control characters in addresses, nothing where a choice belongs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from api.access import ACCESS, Way
from foundation.jobs import Worker
from hufu import demo_city
from tests.api.test_access import citizen_client, form_token, guarded, officer_client

if TYPE_CHECKING:
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

NUL = "%00"


async def test_a_control_character_in_an_address_names_no_object(city: City) -> None:
    wrong = {}
    async with await citizen_client(city, "chenwei") as citizen:
        token = await form_token(citizen, "/v")
        for method, path in guarded():
            if ACCESS[method, path].way is not Way.PAGE or "{" not in path:
                continue
            address = re.sub(r"\{\w+\}", NUL, path)
            data = {"form_token": token} if method == "POST" else None
            answer = await citizen.request(method, address, data=data)
            if answer.status_code != 404:
                wrong[method, path] = answer.status_code
    assert not wrong


async def test_a_control_character_in_a_query_is_named(city: City) -> None:
    answer = await city.http.get("/v?x=%00", headers={"accept": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "x"


@pytest.mark.parametrize("missing", ["matter", "type", "days"])
async def test_a_mandate_without_a_choice_is_no_mandate_for_everything(city: City, missing: str) -> None:
    async with await citizen_client(city, "chenwei") as giver:
        data = {"username": "zhangxiuying", "name": "张秀英", "matter": "*", "type": "*", "days": "7"}
        token = await form_token(giver, "/mandates/new")
        for value in (None, "zzz"):
            sent = {name: text for name, text in data.items() if name != missing} | {"form_token": token}
            answer = await giver.post("/mandates/new", data=sent | ({missing: value} if value else {}))
            assert answer.status_code == 422
            assert "请从列表中选择一项" in answer.text


async def test_the_page_of_a_finished_batch_tells_what_came_out(city: City) -> None:
    async with await officer_client(city, demo_city.OFFICERS[0]) as officer:
        files = {"table": ("rows.csv", b"ref,identifier\nA-1,1.2.3\n", "text/csv")}
        data = {"form_token": await form_token(officer, "/desk/batches")}
        begun = await officer.post("/desk/batches", files=files, data=data)
        assert begun.status_code == 303, begun.text
        services, parts = city.application.services, city.application.verification
        await Worker(services.database, services.settings.database_url, parts.job_handlers()).drain()
        page = await officer.get(begun.headers["location"])
    assert page.status_code == 200
    assert "下载结果" in page.text
