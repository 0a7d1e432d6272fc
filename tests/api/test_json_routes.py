"""The JSON API over the whole service: issue, read, verify, change, seal."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import uuid
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from api.examples import ISSUE, REVISE, SEARCH
from foundation.principal import SYSTEM, Channel
from hufu import demo_city
from hufu.demo.dpop import DpopAuth
from idp.oauth.client import ClientRegistration
from tests.api.documents import blank_pdf

if TYPE_CHECKING:
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def issue(city: City, **changes: object) -> dict[str, Any]:
    headers = await city.headers() | {"idempotency-key": uuid.uuid4().hex}
    answer = await city.http.post("/api/v1/licences", json=deepcopy(ISSUE) | changes, headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def verdict(city: City, identifier: str) -> dict[str, Any]:
    answer = await city.http.post("/api/v1/verifications/identifier", json={"identifier": identifier})
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()["report"]
    return report


async def test_an_issued_licence_verifies_at_once_by_every_way(city: City) -> None:
    licence = await issue(city)
    headers = await city.headers()
    assert (await verdict(city, licence["identifier"]))["verdict"] == "VALID"
    by_qr = await city.http.post("/api/v1/verifications/qr", json={"text": licence["qr_text"]})
    assert by_qr.json()["report"]["verdict"] == "VALID"
    pdf = await city.http.get(f"/api/v1/licences/{licence['identifier']}/pdf", headers=headers)
    assert pdf.headers["content-type"] == "application/pdf"
    assert hashlib.sha256(pdf.content).hexdigest() == licence["document_digest"]
    by_pdf = await city.http.post("/api/v1/verifications/pdf", files={"document": ("a.pdf", pdf.content)})
    assert by_pdf.json()["report"]["verdict"] == "VALID", by_pdf.json()["report"]
    receipt = await city.http.post("/api/v1/verifications/receipt", json={"receipt": by_pdf.json()["receipt"]})
    assert receipt.json()["verdict"] == "VALID"


async def test_a_revoked_licence_is_invalid_with_the_reason(city: City) -> None:
    licence = await issue(city)
    change = {
        "state": "revoked",
        "reason_code": "illegal_act",
        "reason_text": "多次违法经营",
        "legal_basis": "第五十条",
    }
    address = f"/api/v1/licences/{licence['identifier']}/states"
    changed = await city.http.post(address, json=change, headers=await city.headers())
    assert changed.status_code == 201, changed.text
    assert changed.json()["state"] == "revoked"
    report = await verdict(city, licence["identifier"])
    assert (report["verdict"], report["reason"]) == ("INVALID", "licence_revoked")
    history = await city.http.get(address, headers=await city.headers())
    assert [record["state"] for record in history.json()["states"]] == ["valid", "revoked"]
    back = await city.http.post(address, json=change | {"state": "suspended"}, headers=await city.headers())
    assert back.status_code == 409


async def test_the_same_idempotency_key_gives_the_same_licence(city: City) -> None:
    headers = await city.headers() | {"idempotency-key": uuid.uuid4().hex}
    first = await city.http.post("/api/v1/licences", json=ISSUE, headers=headers)
    second = await city.http.post("/api/v1/licences", json=ISSUE, headers=headers)
    assert first.json()["identifier"] == second.json()["identifier"]
    other = await city.http.post("/api/v1/licences", json=ISSUE | {"case_number": "other"}, headers=headers)
    assert other.status_code == 409
    assert other.json()["type"] == "/problems/idempotency-mismatch"


async def test_the_code_picture_reads_back_as_the_code(city: City) -> None:
    import zxingcpp  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    licence = await issue(city)
    picture = await city.http.get(f"/api/v1/licences/{licence['identifier']}/qr.png", headers=await city.headers())
    with Image.open(io.BytesIO(picture.content)) as image:
        found = zxingcpp.read_barcodes(image.convert("L"))
    assert [code.text for code in found] == [licence["qr_text"]]


async def test_a_document_is_sealed_in_one_call_and_read_back(city: City) -> None:
    auth = city.sealing()
    seals = (await city.http.get("/api/v1/seals", auth=auth)).json()["seals"]
    place = '{"kind": "rectangle", "page": 1, "x": 300, "y": 120}'
    answer = await city.http.post(
        "/api/v1/sealed-documents",
        files={"document": ("a.pdf", blank_pdf())},
        data={"seal_id": seals[0]["seal_id"], "placement": place, "level": "B-T"},
        auth=auth,
    )
    assert answer.status_code == 201, answer.text
    sealed = answer.json()
    file = await city.http.get(sealed["location"], auth=auth)
    assert hashlib.sha256(file.content).hexdigest() == sealed["sha256"]
    assert sealed["level"] == "B-T"
    uses = await city.http.get(f"/api/v1/seals/{seals[0]['seal_id']}/uses", auth=auth)
    assert uses.json()["uses"][0]["sealed_sha256"] == sealed["sha256"]
    foreign = await city.http.get(sealed["location"], auth=city.sealing("land-bureau-sealing"))
    assert foreign.status_code == 404


async def test_the_catalogue_is_public_and_says_each_types_schema(city: City) -> None:
    types = (await city.http.get("/api/v1/licence-types")).json()["types"]
    one = await city.http.get(f"/api/v1/licence-types/{types[0]['code']}")
    assert one.json() == types[0]
    assert {"营业执照", "食品经营许可证", "不动产权证书"} <= {item["name"] for item in types}
    assert (await city.http.get("/api/v1/licence-types/nothing")).status_code == 404


async def test_the_catalogue_is_signed_for_whoever_asks_for_it(city: City) -> None:
    plain = await city.http.get("/api/v1/licence-types")
    signed = await city.http.get("/api/v1/licence-types", headers={"accept": "application/jwt"})
    assert (signed.headers["content-type"], signed.headers["vary"]) == ("application/jwt", "accept")
    catalogue, trust_list = (_claims(text) for text in (signed.text, (await city.http.get("/api/v1/trust-list")).text))
    assert catalogue["types"] == plain.json()["types"]
    assert catalogue["key"] == trust_list["key"]
    assert trust_list["catalogue"] == f"{city.application.settings.issuer}/api/v1/licence-types"
    headers = {"accept": "application/jwt", "if-none-match": signed.headers["etag"]}
    again = await city.http.get("/api/v1/licence-types", headers=headers)
    assert (again.status_code, again.content) == (304, b"")


def _claims(signed: str) -> dict[str, Any]:
    payload = signed.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


async def test_the_api_ignores_cookies(city: City) -> None:
    session = await city.application.services.sessions.sign_in(
        "liming", "Hufu-demo-2026!", source="test", channel=Channel.WEB
    )
    answer = await city.http.get("/api/v1/licences", headers={"cookie": f"hufu-session={session.secret}"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_revision_supersedes_and_verifies_at_once(city: City) -> None:
    licence = await issue(city)
    address = f"/api/v1/licences/{licence['identifier']}/revisions"
    headers = await city.headers() | {"idempotency-key": uuid.uuid4().hex}
    first = await city.http.post(address, json=REVISE, headers=headers)
    assert first.status_code == 201, first.text
    again = await city.http.post(address, json=REVISE, headers=headers)
    new = first.json()
    assert again.json()["identifier"] == new["identifier"]
    assert (new["previous_identifier"], new["version"]) == (licence["identifier"], 2)
    assert new["licence_number"] == REVISE["licence_number"]
    assert (await verdict(city, new["identifier"]))["verdict"] == "VALID"
    old = await verdict(city, licence["identifier"])
    assert (old["verdict"], old["reason"]) == ("INVALID", "licence_superseded")
    late = await city.http.post(address, json=REVISE, headers=headers | {"idempotency-key": uuid.uuid4().hex})
    assert late.status_code == 409
    bad = await city.http.post(
        f"/api/v1/licences/{new['identifier']}/revisions",
        json={"kind": "extension", "reason_text": "延续", "valid_to": "2030-01-01"},
        headers=headers | {"idempotency-key": uuid.uuid4().hex},
    )
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "valid_to")


async def test_licences_are_searched_for_a_case_by_bound_tokens_alone(city: City) -> None:
    licence = await issue(city)
    plain = await city.http.post("/api/v1/licence-searches", json=SEARCH, headers=await city.headers())
    assert plain.status_code == 403
    services = city.application.services
    registration = ClientRegistration(
        client_name="演示市不动产审查系统",
        organisation_code=demo_city.LAND_BUREAU.credit_code,
        redirect_uris=(),
        scopes=frozenset({"licence:read"}),
        grant_types=frozenset({"client_credentials"}),
        metadata={"dpop_bound_access_tokens": True},
    )
    made = await services.clients.register(SYSTEM, registration)
    auth = DpopAuth(city.url, made.client_id, made.client_secret or "", "licence:read")
    found = await city.http.post("/api/v1/licence-searches", json=SEARCH, auth=auth)
    assert found.status_code == 200, found.text
    mine = next(one for one in found.json()["licences"] if one["identifier"] == licence["identifier"])
    assert mine["masked"]
    assert "*" in mine["holders"][0]["code"]
    other = await city.http.post("/api/v1/licence-searches", json=SEARCH | {"operator": ""}, auth=auth)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "operator")


async def test_figures_are_the_callers_organisations(city: City) -> None:
    await issue(city)
    figures = (await city.http.get("/api/v1/statistics", headers=await city.headers())).json()
    (food,) = [one for one in figures["types"] if one["type_code"] == ISSUE["type_code"]]
    assert food["total"] == sum(food["by_state"].values()) >= 1
    assert sum(figures["issued_by_day"].values()) >= 1
    assert len(figures["issued_by_day"]) == 30
    others = await city.http.get("/api/v1/statistics", headers=await city.headers("land-bureau-system"))
    assert ISSUE["type_code"] not in {one["type_code"] for one in others.json()["types"]}
