"""Sealing for department systems beyond one document in one call, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import io
import uuid
from typing import TYPE_CHECKING, Any

import httpx2
import pikepdf
import pytest

from api.app import create_app
from api.examples import SEAL_DIGEST
from hufu.wiring import open_application
from tests.api.documents import blank_pdf
from tests.signing.peers import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOREIGN = "land-bureau-sealing"


async def seal_of(city: City) -> str:
    found: str = (await city.http.get("/api/v1/seals", auth=city.sealing())).json()["seals"][0]["seal_id"]
    return found


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["field"]


async def stolen_token(city: City) -> dict[str, str]:
    """Return a good token of the sealing system without its key, as whoever reads a log may have it."""
    auth = city.sealing()
    await city.http.get("/api/v1/seals", auth=auth)
    assert auth._token is not None
    return {"authorization": f"Bearer {auth._token}"}


async def test_a_digest_is_sealed_for_a_document_that_stays_away(city: City, tmp_path: Path) -> None:
    seal_id, data = await seal_of(city), "审批决定书".encode()
    body = SEAL_DIGEST | {"seal_id": seal_id, "digest": hashlib.sha256(data).hexdigest()}
    answer = await city.http.post("/api/v1/sealed-digests", json=body, auth=city.sealing())
    assert answer.status_code == 201, answer.text
    sealed = answer.json()
    (tmp_path / "data").write_bytes(data)
    (tmp_path / "cms").write_bytes(base64.b64decode(sealed["cms"]))
    checked = run(
        "openssl", "cms", "-verify", "-inform", "DER", "-in", str(tmp_path / "cms"), "-content",
        str(tmp_path / "data"), "-binary", "-noverify", "-purpose", "any",
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    uses = (await city.http.get(f"/api/v1/seals/{seal_id}/uses", auth=city.sealing())).json()["uses"]
    (use,) = [each for each in uses if each["use_number"] == sealed["use_number"]]
    assert (use["document_sha256"], use["level"], use["matter_code"]) == (
        body["digest"], sealed["level"], body["matter_code"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [("digest", "00"), ("digest", "G" * 64), ("level", "B-LTA"), ("seal_id", ""), ("matter_code", ""), ("pin", "1")],
    ids=["short digest", "no hex", "level", "no seal", "no matter", "unknown field"],
)
async def test_a_bad_digest_request_names_its_field(city: City, field: str, value: Any) -> None:  # noqa: ANN401 - JSON
    body = SEAL_DIGEST | {field: value}
    answer = await city.http.post("/api/v1/sealed-digests", json=body, auth=city.sealing())
    assert refused(answer) == (422, field)


async def test_digests_are_sealed_for_the_own_organisation_with_the_key_alone(city: City) -> None:
    body = SEAL_DIGEST | {"seal_id": await seal_of(city)}
    foreign = await city.http.post("/api/v1/sealed-digests", json=body, auth=city.sealing(FOREIGN))
    assert foreign.status_code == 404
    bare = await city.http.post("/api/v1/sealed-digests", json=body, headers=await stolen_token(city))
    assert bare.status_code == 401


PREPARED = "/api/v1/prepared-sealings"
PLACE = '{"kind": "rectangle", "page": 1, "x": 300, "y": 120}'


async def prepare(city: City, document: bytes | None = None) -> dict[str, Any]:
    answer = await city.http.post(
        PREPARED,
        files={"document": ("a.pdf", document or blank_pdf())},
        data={"seal_id": await seal_of(city), "placement": PLACE},
        auth=city.sealing(),
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def state(city: City, prepared: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await city.http.get(prepared["location"], auth=city.sealing())).json()
    return found


async def test_what_was_prepared_is_sealed_after_a_restart(city: City) -> None:
    document = blank_pdf()
    prepared = await prepare(city, document)
    assert prepared["pages"] == [1]
    assert prepared["document_sha256"] == hashlib.sha256(document).hexdigest()
    assert (await state(city, prepared))["state"] == "prepared"
    shown = await city.http.get(prepared["preview"], auth=city.sealing())
    assert shown.content.startswith(document)
    # Another process: nothing in common with the first but database, files and keystore.
    async with open_application(city.application.settings) as restarted:
        transport = httpx2.ASGITransport(app=create_app(restarted.services))
        async with httpx2.AsyncClient(transport=transport, base_url=city.url) as http:
            answer = await http.post(f"{prepared['location']}/confirmation", auth=city.sealing())
    assert answer.status_code == 201, answer.text
    sealed = answer.json()
    file = await city.http.get(sealed["location"], auth=city.sealing())
    assert hashlib.sha256(file.content).hexdigest() == sealed["sha256"]
    # What was shown, with the room of its signature filled in.
    assert len(file.content) == len(shown.content)
    assert (await state(city, prepared)).items() >= {"state": "completed", "location": sealed["location"]}.items()
    again = await city.http.post(f"{prepared['location']}/confirmation", auth=city.sealing())
    assert (again.status_code, again.json()["type"].rpartition("/")[2]) == (409, "intention-spent")


async def test_an_attachment_is_named_or_the_document_refused(city: City) -> None:
    with pikepdf.open(io.BytesIO(blank_pdf())) as pdf:
        pdf.attachments["明细.xml"] = pikepdf.AttachedFileSpec(pdf, b"<a/>", mime_type="application/xml")
        out = io.BytesIO()
        pdf.save(out)
    prepared = await prepare(city, out.getvalue())
    assert prepared["attachments"] == [{"name": "明细.xml", "media_type": "application/xml", "size": 4}]
    at_once = await city.http.post(
        "/api/v1/sealed-documents",
        files={"document": ("a.pdf", out.getvalue())},
        data={"seal_id": await seal_of(city)},
        auth=city.sealing(),
    )
    assert (at_once.status_code, at_once.json()["type"].rpartition("/")[2]) == (422, "active-content")
    assert "明细.xml (application/xml, 4 bytes)" in at_once.json()["detail"]


async def test_a_prepared_sealing_is_given_up_once(city: City) -> None:
    prepared = await prepare(city)
    assert (await city.http.delete(prepared["location"], auth=city.sealing())).status_code == 204
    assert (await state(city, prepared))["state"] == "withdrawn"
    for method, path in (("DELETE", ""), ("POST", "/confirmation"), ("GET", "/pdf")):
        late = await city.http.request(method, prepared["location"] + path, auth=city.sealing())
        assert late.status_code == 409, (method, path)


async def test_prepared_sealings_wait_up_to_a_number(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = await prepare(city)
    monkeypatch.setattr("signing.sealing.MAX_UNCONFIRMED", 1)
    data, files = {"seal_id": await seal_of(city)}, {"document": ("a.pdf", blank_pdf())}
    full = await city.http.post(PREPARED, files=files, data=data, auth=city.sealing())
    assert (full.status_code, "retry-after" in full.headers) == (429, True)
    assert (await city.http.delete(prepared["location"], auth=city.sealing())).status_code == 204


async def test_a_prepared_sealing_is_its_own_systems_alone(city: City) -> None:
    prepared = await prepare(city)
    bare = await stolen_token(city)
    for method, path in (("GET", ""), ("GET", "/pdf"), ("POST", "/confirmation"), ("DELETE", "")):
        foreign = await city.http.request(method, prepared["location"] + path, auth=city.sealing(FOREIGN))
        assert foreign.status_code == 404, (method, path)
        unproven = await city.http.request(method, prepared["location"] + path, headers=bare)
        assert unproven.status_code == 401, (method, path)
    assert (await state(city, prepared))["state"] == "prepared"


@pytest.mark.parametrize(
    ("field", "value"),
    [("seal_id", ""), ("level", "B-X"), ("placement", '{"kind": "rectangle", "page": 0, "x": 1, "y": 1}'), ("pin", "")],
    ids=["no seal", "level", "placement", "unknown field"],
)
async def test_a_bad_preparation_names_its_field(city: City, field: str, value: str) -> None:
    data = {"seal_id": await seal_of(city), field: value}
    files = {"document": ("a.pdf", blank_pdf())}
    status, named = refused(await city.http.post(PREPARED, files=files, data=data, auth=city.sealing()))
    assert (status, named.split(".")[0]) == (422, field)


BATCHES = "/api/v1/sealing-batches"


async def start_batch(city: City, key: str, files: list[bytes], **data: str) -> httpx2.Response:
    return await city.http.post(
        BATCHES,
        files=[("documents", (f"{number}.pdf", file)) for number, file in enumerate(files)],
        data={"seal_id": await seal_of(city)} | data,
        headers={"idempotency-key": key},
        auth=city.sealing(),
    )


async def test_a_batch_is_sealed_by_whoever_works_next_and_once(city: City) -> None:
    key, files = uuid.uuid4().hex, [blank_pdf(), b"no PDF", blank_pdf(2)]
    started = await start_batch(city, key, files)
    assert (started.status_code, started.json()["total"]) == (202, 3), started.text
    location = started.headers["location"]
    again = await start_batch(city, key, files)
    assert (again.status_code, again.headers["location"]) == (202, location)
    assert (await start_batch(city, key, files[:1])).status_code == 409
    async with open_application(city.application.settings) as restarted:
        await restarted.worker().drain()
    progress = (await city.http.get(location, auth=city.sealing())).json()
    assert (progress["done"], progress["failed"], progress["finished"]) == (2, 1, True)
    rows = (await city.http.get(f"{location}/documents", auth=city.sealing())).json()["documents"]
    assert [row["state"] for row in rows] == ["done", "failed", "done"]
    assert rows[1]["refusal"] == "The file is not a PDF."
    for number in (0, 2):
        sealed = await city.http.get(rows[number]["location"], auth=city.sealing())
        assert sealed.content.startswith(files[number])
    bare = await stolen_token(city)
    for path in (location, f"{location}/documents"):
        assert (await city.http.get(path, auth=city.sealing(FOREIGN))).status_code == 404
        assert (await city.http.get(path, headers=bare)).status_code == 401


@pytest.mark.parametrize(
    ("field", "value"),
    [("seal_id", ""), ("level", "B-X"), ("placement", '{"kind": "seam", "sheets": 1}'), ("pin", "")],
    ids=["no seal", "level", "placement", "unknown field"],
)
async def test_a_bad_batch_names_its_field(city: City, field: str, value: str) -> None:
    status, named = refused(await start_batch(city, uuid.uuid4().hex, [blank_pdf()], **{field: value}))
    assert (status, named.split(".")[0]) == (422, field)


async def test_a_batch_has_documents_and_a_key(city: City) -> None:
    assert refused(await start_batch(city, uuid.uuid4().hex, []))[0] == 422
    assert refused(await start_batch(city, "", [blank_pdf()])) == (422, "idempotency-key")
