"""What a clumsy or hostile caller gets on every JSON route: a 4xx problem naming field and rule."""

from __future__ import annotations

import json
import uuid
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from api.examples import BY_IDENTIFIER, BY_QR, BY_RECEIPT, CHANGE, ISSUE
from tests.api.documents import blank_pdf

if TYPE_CHECKING:
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODIES: dict[str, Any] = {
    "/api/v1/licences": ISSUE,
    "/api/v1/licences/unknown/states": CHANGE,
    "/api/v1/verifications/identifier": BY_IDENTIFIER,
    "/api/v1/verifications/qr": BY_QR,
    "/api/v1/verifications/receipt": BY_RECEIPT,
}
ODD: tuple[Any, ...] = (
    None,
    "",
    0,
    -1,
    1e308,
    True,
    [],
    {},
    [None],
    "\u0000",
    "x" * 70_000,
    {"a": {"b": []}},
    "2026-02-30",
    "𠮷" * 400,
)
LIMIT_BYTES = 1024 * 1024


async def post(city: City, path: str, content: bytes) -> Any:  # noqa: ANN401 - the client's response
    headers = await city.headers() | {"content-type": "application/json", "idempotency-key": uuid.uuid4().hex}
    return await city.http.post(path, content=content, headers=headers)


def problem(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - the client's response
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["request_id"]
    return body


@pytest.mark.parametrize("path", BODIES)
async def test_missing_required_fields_are_named(city: City, path: str) -> None:
    body = problem(await post(city, path, b"{}"))
    assert body["status"] == 422
    assert {error["field"] for error in body["errors"]} <= set(BODIES[path])
    assert all(error["rule"] for error in body["errors"])


@pytest.mark.parametrize("path", BODIES)
async def test_unknown_and_repeated_fields_are_named(city: City, path: str) -> None:
    unknown = problem(await post(city, path, json.dumps(BODIES[path] | {"surprise": 1}).encode()))
    assert "surprise" in {error["field"] for error in unknown["errors"]}
    name = next(iter(BODIES[path]))
    twice = json.dumps(BODIES[path])[:-1] + f', "{name}": "x"}}'
    repeated = problem(await post(city, path, twice.encode()))
    assert {error["field"] for error in repeated["errors"]} == {name}


@pytest.mark.parametrize("path", BODIES)
async def test_odd_values_in_every_field_are_refused_or_served(city: City, path: str) -> None:
    """A field may accept an odd value; the service never fails on one."""
    for name in BODIES[path]:
        for value in ODD:
            answer = await post(city, path, json.dumps(deepcopy(BODIES[path]) | {name: value}).encode())
            assert answer.status_code < 500, (name, str(value)[:40], answer.text[:300])
            assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"text"', 422),
        (b'{"a": NaN}', 400),
        (b'{"\\ud800": 1}', 422),
        (b"[" * 100_000, 422),
        (b" " * (LIMIT_BYTES + 1), 413),
    ],
)
async def test_what_is_no_json_object_is_refused(city: City, path: str, content: bytes, status: int) -> None:
    assert problem(await post(city, path, content))["status"] == status


async def test_the_identity_numbers_check_digit_is_named_and_never_repeated(city: City) -> None:
    body = deepcopy(ISSUE)
    body["holders"][0]["code"] = "500101199003070226"
    answer = await post(city, "/api/v1/licences", json.dumps(body).encode())
    assert answer.status_code == 422
    assert "code" in answer.json()["errors"][0]["field"]
    assert "500101199003070226" not in answer.text


async def test_face_data_is_refused_with_its_path(city: City) -> None:
    body = deepcopy(ISSUE)
    body["face"]["business_items"] = ["x"]
    answer = problem(await post(city, "/api/v1/licences", json.dumps(body).encode()))
    assert answer["type"] == "/problems/invalid-face"
    assert "business_items" in answer["errors"][0]["field"]


async def test_a_character_no_font_has_is_named_and_nothing_is_stored(city: City) -> None:
    before = (await city.http.get("/api/v1/licences", headers=await city.headers())).json()["licences"]
    body = deepcopy(ISSUE)
    body["face"]["legal_representative"] = "陈\U000f1234"
    answer = problem(await post(city, "/api/v1/licences", json.dumps(body).encode()))
    assert "U+F1234" in answer["detail"]
    after = (await city.http.get("/api/v1/licences", headers=await city.headers())).json()["licences"]
    assert len(before) == len(after)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 415),
        (b"PK\x03\x04 a zip file", 415),
        (b"%PDF-1.7\n", 422),
        (blank_pdf(), 422),
        (b"%PDF-1.7\n" + b"\x00" * 100_000, 422),
    ],
)
async def test_files_that_cannot_be_examined(city: City, data: bytes, status: int) -> None:
    headers = await city.headers()
    answer = await city.http.post("/api/v1/verifications/pdf", files={"document": ("a.pdf", data)}, headers=headers)
    assert problem(answer)["status"] == status


async def test_a_file_over_the_limit_is_refused(city: City) -> None:
    headers = await city.headers()
    files = {"document": ("a.pdf", b"%PDF-1.7" + b"\x00" * (51 * 1024 * 1024))}
    answer = await city.http.post("/api/v1/verifications/pdf", files=files, headers=headers)
    assert problem(answer)["status"] == 413


async def test_forms_name_what_is_missing_repeated_or_unknown(city: City) -> None:
    auth = city.sealing()
    path = "/api/v1/sealed-documents"
    missing = problem(await city.http.post(path, data={"level": "B-T"}, auth=auth))
    assert {error["field"] for error in missing["errors"]} == {"document", "seal_id"}
    files = {"document": ("a.pdf", blank_pdf())}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"seal_id": ["a", "b"]}, "seal_id"),
        ({"seal_id": "a", "surprise": "b"}, "surprise"),
        ({"seal_id": "a", "level": "B-X"}, "level"),
        ({"seal_id": "a", "placement": "no json"}, "placement"),
        ({"seal_id": "a", "placement": '{"kind": "rectangle", "page": 0}'}, "placement.rectangle.page"),
        ({"seal_id": "a", "placement": '{"kind": "spiral"}'}, "placement"),
        ({"seal_id": "a", "placement": '{"kind": "invisible", "kind": "invisible"}'}, "kind"),
    ]
    for data, field in cases:
        answer = problem(await city.http.post(path, data=data, files=files, auth=auth))
        assert field in {error["field"] for error in answer["errors"]}, (data, answer)


async def test_headers_and_queries_are_read_strictly(city: City) -> None:
    headers = await city.headers()
    body = json.dumps(ISSUE).encode()
    kinds = {"content-type": "application/json"}
    assert problem(await city.http.post("/api/v1/licences", content=body, headers=headers | kinds))["errors"][0][
        "field"
    ] in {"idempotency-key", "Idempotency-Key"}
    listed = [*headers.items(), *kinds.items(), ("idempotency-key", "a"), ("idempotency-key", "b")]
    assert problem(await city.http.post("/api/v1/licences", content=body, headers=listed))["status"] == 422
    for query in ("limit=0", "limit=x", "limit=1&limit=2", "surprise=1", "limit=%00"):
        assert problem(await city.http.get(f"/api/v1/licences?{query}", headers=headers))["status"] == 422


@pytest.mark.parametrize("value", ["", "Basic x", "Bearer", "Bearer x y", "Bearer a.b.c", "DPoP x", "Bearer \u00e4"])
async def test_what_is_no_token_is_401(city: City, value: str) -> None:
    answer = await city.http.get("/api/v1/licences", headers=[(b"authorization", value.encode("latin-1"))])
    assert problem(answer)["status"] == 401
    assert "www-authenticate" in answer.headers


async def test_a_token_sent_twice_or_in_the_address_is_not_taken(city: City) -> None:
    token = await city.token()
    twice = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]
    assert (await city.http.get("/api/v1/licences", headers=twice)).status_code == 401
    assert (await city.http.get(f"/api/v1/licences?access_token={token}")).status_code in {401, 422}


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_moments_at_the_edge_of_the_calendar_are_refused(city: City, at: str) -> None:
    answer = await city.http.post("/api/v1/verifications/identifier", json={"identifier": "1.2.156", "at": at})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "at"


@pytest.mark.parametrize("endpoint", ["token", "par", "device_authorization", "introspect", "revoke"])
async def test_a_nul_character_is_refused_at_oauth_endpoints(city: City, endpoint: str) -> None:
    sent = {"client_id": "\0", "grant_type": "authorization_code", "code": "x", "token": "x"}
    answer = await city.http.post(f"/oauth/{endpoint}", data=sent)
    assert answer.status_code in {400, 401}
    basic = {"authorization": "Basic ADp4"}
    answer = await city.http.post(f"/oauth/{endpoint}", data={"grant_type": "client_credentials"}, headers=basic)
    assert answer.status_code in {400, 401}
    assert (await city.http.get("/oauth/authorize", params={"client_id": "\0"})).status_code == 400
