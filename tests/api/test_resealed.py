"""A licence without its issuer's seal is sealed by no other department here; one sealed elsewhere is valid nowhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hufu.commands import dispatch
from hufu.surroundings import environment_of
from tests.api.test_json_routes import issue
from tests.verification.attacks import stripped

if TYPE_CHECKING:
    from pathlib import Path

    from httpx2 import Response

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORGER = "land-bureau-sealing"
PLACE = '{"kind": "rectangle", "page": 1, "x": 300, "y": 120}'


class NoGate:
    """A sealing service that does not ask verification, such as another city's may be."""

    async def refusals(self, document: bytes, *, field_name: str, uploaded: bool) -> tuple[str, ...]:
        del document, field_name, uploaded
        return ()


async def sealing_of(city: City, document: bytes) -> Response:
    """Have a document sealed by a department that did not issue it, as its own system does."""
    auth = city.sealing(FORGER)
    seals = (await city.http.get("/api/v1/seals", auth=auth)).json()["seals"]
    return await city.http.post(
        "/api/v1/sealed-documents",
        files={"document": ("a.pdf", document)},
        data={"seal_id": seals[0]["seal_id"], "placement": PLACE, "level": "B-T"},
        auth=auth,
    )


async def resealed(city: City, document: bytes) -> bytes:
    """Return what comes of it where nobody asks verification."""
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setattr(city.application.signing.sealing._execution._judging, "_gate", NoGate())
        answer = await sealing_of(city, document)
    assert answer.status_code == 201, answer.text
    return (await city.http.get(answer.json()["location"], auth=city.sealing(FORGER))).content


async def test_the_gate_lets_no_department_seal_anothers_licence(city: City) -> None:
    licence = await issue(city)
    genuine = await city.http.get(f"/api/v1/licences/{licence['identifier']}/pdf", headers=await city.headers())
    refused = await sealing_of(city, stripped(genuine.content))
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/refused-by-verification")
    assert "licence.sealed_by_issuer" in refused.json()["detail"]
    # Beneath its issuer's seal another department's does no harm.
    beside = await sealing_of(city, genuine.content)
    assert beside.status_code == 201, beside.text


async def test_it_is_valid_by_no_route_page_or_command(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    licence = await issue(city)
    headers = await city.headers()
    genuine = (await city.http.get(f"/api/v1/licences/{licence['identifier']}/pdf", headers=headers)).content
    forged = await resealed(city, stripped(genuine))

    answer = await city.http.post("/api/v1/verifications/pdf", files={"document": ("a.pdf", forged)})
    report = answer.json()["report"]
    assert (report["verdict"], report["reason"]) == ("INVALID", "licence_sealed_by_another")
    # The seal itself is sound: nothing but whose it is stands against the file.
    assert [seal["indication"] for seal in report["seals"]] == ["TOTAL-PASSED"]

    page = await city.http.post("/v/pdf", files={"document": ("a.pdf", forged)}, headers={"origin": city.url})
    assert page.status_code == 200
    assert "无效" in page.text
    assert "印章属于其他单位" in page.text

    await city.application.verification.statuses.publish_changes()
    (tmp_path / "pack").write_bytes((await city.http.get("/api/v1/offline-pack")).content)
    (tmp_path / "pem").write_bytes(await anchors(city))
    for name, value in environment_of(city.application.settings).items():
        monkeypatch.setenv(name, value)
    ways = (("--pack", str(tmp_path / "pack")), ("--anchors", str(tmp_path / "pem")), ())
    codes: dict[str, list[int]] = {}
    for name, document in (("genuine", genuine), ("forged", forged)):
        (tmp_path / name).write_bytes(document)
        codes[name] = [await asyncio.to_thread(dispatch, ["verify", str(tmp_path / name), *way]) for way in ways]
    assert codes == {"genuine": [0, 0, 0], "forged": [1, 1, 1]}


async def anchors(city: City) -> bytes:
    """Return the city's anchors and revocation lists in PEM form, as a stranger has them."""
    ca = city.application.keys.ca
    lists = [x509.load_der_x509_crl(await ca.crl_der(issuer)) for issuer in await ca.issuers()]
    roots = (await city.application.keys.service.trust_anchors()).pem().encode()
    return roots + b"".join(one.public_bytes(Encoding.PEM) for one in lists)
