"""A changed status shows within a minute, through every cache on the way, and an unchanged list is not sent twice."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.api.test_json_routes import issue
from verification.qr import read_code
from verification.status.encoding import read_cwt

if TYPE_CHECKING:
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

JWT, CWT = "application/statuslist+jwt", "application/statuslist+cwt"
CACHING = ("etag", "cache-control", "vary")


def kept_for(kind: str, body: bytes) -> int:
    """Return how many seconds a verifier may keep a list, as the list itself says."""
    if kind == CWT:
        return read_cwt(body).facts.ttl_seconds
    payload = body.decode().split(".")[1]
    ttl: int = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["ttl"]
    return ttl


async def revoke(city: City, identifier: str) -> None:
    change = {"state": "revoked", "reason_code": "illegal_act", "reason_text": "吊销", "legal_basis": "《食品安全法》"}
    answer = await city.http.post(f"/api/v1/licences/{identifier}/states", json=change, headers=await city.headers())
    assert answer.status_code == 201, answer.text


async def test_a_change_shows_within_a_minute_and_an_unchanged_list_is_not_sent_again(city: City) -> None:
    job = city.application.verification.periodic_jobs()["verification.status_lists"]
    licence = await issue(city)
    await job.run()
    path = f"/status-lists/{read_code(licence['qr_text']).contents.status_list}"
    before = {kind: await city.http.get(path, headers={"accept": kind}) for kind in (JWT, CWT)}
    for kind, answer in before.items():
        assert (answer.status_code, answer.headers["content-type"], answer.headers["vary"]) == (200, kind, "accept")
        cached = int(answer.headers["cache-control"].removeprefix("public, max-age="))
        # A look, a cache on the way, a verifier's own: one after the other, with time left to sign.
        assert job.interval.total_seconds() + cached + kept_for(kind, answer.content) <= 55
        headers = {"accept": kind, "if-none-match": answer.headers["etag"]}
        again = await city.http.get(path, headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert {name: again.headers[name] for name in CACHING} == {name: answer.headers[name] for name in CACHING}
    assert before[JWT].headers["etag"] != before[CWT].headers["etag"]

    await revoke(city, licence["identifier"])
    await job.run()
    for kind, answer in before.items():
        headers = {"accept": kind, "if-none-match": answer.headers["etag"]}
        changed = await city.http.get(path, headers=headers)
        assert changed.status_code == 200, "published by the look after the change"
        assert changed.headers["etag"] != answer.headers["etag"]
