"""Hot routes go straight to their handlers and refuse exactly as every other route does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.app import json_routers
from api.routes import oauth
from api.thin import Direct

if TYPE_CHECKING:
    from starlette.types import Message, Scope

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

JSON = "application/json"
PATHS = ("/api/v1/verifications/identifier", "/api/v1/verifications/qr", "/api/v1/verifications/receipt")
BROKEN: tuple[tuple[str, str, bytes, str, int], ...] = (
    ("empty", JSON, b"", "body", 422),
    ("no JSON", JSON, b"{", "", 400),
    ("not UTF-8", JSON, b'{"text": "\xff"}', "", 400),
    ("a list", JSON, b"[]", "body", 422),
    ("said to be text", "text/plain", b"{}", "body", 422),
    ("a surprise", "application/problem+json", b'{"surprise": 1}', "surprise", 422),
    ("twice", JSON, b'{"surprise": 1, "surprise": 1}', "surprise", 422),
    ("control characters", JSON, b'{"surprise": "\\u0000"}', "surprise", 422),
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("kind", "body", "field", "status"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
async def test_a_broken_body_gets_the_same_refusal_directly_and_by_the_router(
    city: City, path: str, kind: str, body: bytes, field: str, status: int
) -> None:
    answer = await city.http.post(path, content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-frame-options"] == "DENY"
    if field:
        assert field in {error["field"] for error in answer.json()["errors"]}


@pytest.mark.parametrize("path", PATHS)
async def test_a_query_and_another_method_are_refused(city: City, path: str) -> None:
    asked = await city.http.post(f"{path}?at=now", json={"text": "HF1"})
    assert asked.status_code == 422
    assert asked.json()["errors"][0]["field"] == "at"
    assert (await city.http.get(path)).status_code == 405


async def test_a_bad_token_is_refused_before_the_body_is_read(city: City) -> None:
    answer = await city.http.post(PATHS[0], content=b"{", headers={"authorization": "Bearer x"})
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers


async def test_only_exact_addresses_and_methods_go_straight() -> None:
    passed: list[tuple[str, str]] = []

    async def router(scope: Scope, *_: object) -> None:
        passed.append((scope["method"], scope["path"]))

    async def never() -> Message:
        raise AssertionError("the body was read")

    async def nothing(message: Message) -> None:
        raise AssertionError(message)

    async def answer(*_: object) -> None:
        raise AssertionError("something was refused")

    direct = Direct(router, routers=[oauth.router, *json_routers()], answer=answer)  # type: ignore[arg-type]
    odd = [("GET", PATHS[0]), ("POST", PATHS[0] + "/"), ("POST", PATHS[2]), ("HEAD", "/oauth/jwks")]
    odd += [("GET", "/oauth/register/{client_id}"), ("GET", "/oauth/continue/{interaction_id}")]
    for method, path in odd:
        await direct({"type": "http", "method": method, "path": path, "headers": []}, never, nothing)
    assert passed == odd
