"""A licence without its issuer's seal is sealed by no other department here; one sealed elsewhere is valid nowhere."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2 as pdfium
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hufu.commands import dispatch
from hufu.surroundings import environment_of
from tests.api.test_json_routes import issue
from tests.verification.attacks import stripped
from verification.identifier import check_character, read_identifier
from verification.packs import read_pack
from verification.record_comparison import FACES_COMPARED

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


async def sealing_of(city: City, document: bytes, *, place: str | None = PLACE) -> Response:
    """Have a document sealed by a department that did not issue it; attached data take two steps."""
    auth = city.sealing(FORGER)
    seals = (await city.http.get("/api/v1/seals", auth=auth)).json()["seals"]
    prepared = await city.http.post(
        "/api/v1/prepared-sealings",
        files={"document": ("a.pdf", document)},
        data={"seal_id": seals[0]["seal_id"], "level": "B-T"} | ({} if place is None else {"placement": place}),
        auth=auth,
    )
    assert prepared.status_code == 201, prepared.text
    return await city.http.post(f"{prepared.json()['location']}/confirmation", auth=auth)


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
    # A seal that nobody sees does the issuer's no harm; one on the page would be taken for the issuer's word.
    beside = await sealing_of(city, genuine.content, place=None)
    assert beside.status_code == 201, beside.text
    over = await sealing_of(city, genuine.content)
    assert (over.status_code, over.json()["type"]) == (422, "/problems/refused-by-verification")
    assert "pdf.licence_as_sealed" in over.json()["detail"]


async def test_what_another_city_puts_over_a_licence_is_not_confirmed(city: City) -> None:
    licence = await issue(city)
    genuine = await city.http.get(f"/api/v1/licences/{licence['identifier']}/pdf", headers=await city.headers())
    over = await resealed(city, genuine.content)
    answer = await city.http.post("/api/v1/verifications/pdf", files={"document": ("a.pdf", over)})
    report = answer.json()["report"]
    assert (report["verdict"], report["reason"]) == ("UNDETERMINED", "licence_covered")
    assert [seal["indication"] for seal in report["seals"]] == ["TOTAL-PASSED", "TOTAL-PASSED"]
    page = await city.http.post("/v/pdf", files={"document": ("a.pdf", over)}, headers={"origin": city.url})
    assert "无法确认" in page.text
    assert "请持证主体出示颁发机构盖章的证照" in page.text


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

    (tmp_path / "pack").write_bytes(await city.offline_pack())
    (tmp_path / "pem").write_bytes(await anchors(city))
    for name, value in environment_of(city.application.settings).items():
        monkeypatch.setenv(name, value)
    fingerprint = read_pack((tmp_path / "pack").read_bytes()).key_sha256.hex()
    ways = (("--pack", str(tmp_path / "pack"), "--pack-key", fingerprint), ("--anchors", str(tmp_path / "pem")), ())
    codes: dict[str, list[int]] = {}
    for name, document in (("genuine", genuine), ("forged", forged)):
        (tmp_path / name).write_bytes(document)
        codes[name] = [await asyncio.to_thread(dispatch, ["verify", str(tmp_path / name), *way]) for way in ways]
    assert codes == {"genuine": [0, 0, 0], "forged": [1, 1, 1]}


def pictured(document: bytes) -> bytes:
    """Return a paper that is a picture of a document's first page."""
    out = io.BytesIO()
    with pdfium.PdfDocument(document) as opened:
        opened[0].render(scale=2.5, grayscale=True).to_pil().save(out, "PDF", resolution=180)
    return out.getvalue()


def letter(*identifiers: str) -> bytes:
    """Return a page of text that names licences."""
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(595, 842))
        font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=font))
        named = (part for identifier in identifiers for part in (identifier[:40], identifier[40:]))
        lines = ("The licence", *named, "was looked up today.")
        shown = "".join(f"({line}) Tj 0 -16 Td " for line in lines)
        page.Contents = pdf.make_stream(f"BT /F 11 Tf 60 760 Td {shown}ET".encode())
        pdf.save(out)
    return out.getvalue()


async def test_a_face_without_its_data_is_a_paper_that_vouches_for_no_licence(city: City, tmp_path: Path) -> None:
    licence = await issue(city)
    identifier = licence["identifier"]
    answer = await city.http.get(f"/api/v1/licences/{identifier}/pdf", headers=await city.headers())
    genuine = answer.content
    papers = {
        "face": stripped(genuine, of_data=True),
        "face without its code": stripped(genuine, of_data=True, of_code=True),
        "picture": pictured(genuine),
        "letter": letter(identifier),
    }
    not_vouched = ("UNDETERMINED", "licence_not_vouched_for")
    named = ("VALID", "licence_only_named")
    for name, (online, alone) in {
        "face": (not_vouched, 2),
        "face without its code": (not_vouched, 0),
        "picture": (not_vouched, 2),
        "letter": (named, 0),
    }.items():
        forged = await resealed(city, papers[name])
        answer = await city.http.post("/api/v1/verifications/pdf", files={"document": ("a.pdf", forged)})
        report = answer.json()["report"]
        assert (report["verdict"], report["reason"]) == online, (name, report["checks"])
        assert [seal["indication"] for seal in report["seals"]] == ["TOTAL-PASSED"]
        assert any(identifier in item["detail"]["zh"] for item in report["checks"]), name
        (tmp_path / "pem").write_bytes(await anchors(city))
        (tmp_path / "paper").write_bytes(forged)
        command = ["verify", str(tmp_path / "paper"), "--anchors", str(tmp_path / "pem")]
        assert await asyncio.to_thread(dispatch, command) == alone, name
        (tmp_path / "pack").write_bytes(await city.offline_pack())
        fingerprint = read_pack((tmp_path / "pack").read_bytes()).key_sha256.hex()
        command = ["verify", str(tmp_path / "paper"), "--pack", str(tmp_path / "pack"), "--pack-key", fingerprint]
        assert await asyncio.to_thread(dispatch, command) == alone, name


def beside_decoys(document: bytes, identifier: str) -> bytes:
    """Put a page before a document that names more licences than are compared, none of them on record."""
    parts = read_identifier(identifier).parts
    assert parts is not None
    decoys = []
    for number in range(FACES_COMPARED + 1):
        serial = f"DECOY{number}"
        check = check_character(parts.type_code + parts.issuer_code + serial + parts.version)
        decoys.append(replace(parts, serial=serial, check=check).text)
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(document)) as pdf, pikepdf.open(io.BytesIO(letter(*decoys))) as before:
        pdf.pages.insert(0, before.pages[0])
        pdf.save(out)
    return out.getvalue()


async def test_licences_that_nobody_issued_use_up_no_comparison(city: City) -> None:
    licence = await issue(city)
    answer = await city.http.get(f"/api/v1/licences/{licence['identifier']}/pdf", headers=await city.headers())
    face = stripped(answer.content, of_data=True, of_code=True)
    forged = await resealed(city, beside_decoys(face, licence["identifier"]))
    answer = await city.http.post("/api/v1/verifications/pdf", files={"document": ("a.pdf", forged)})
    report = answer.json()["report"]
    assert (report["verdict"], report["reason"]) == ("UNDETERMINED", "licence_not_vouched_for"), report["checks"]


async def anchors(city: City) -> bytes:
    """Return the city's anchors and revocation lists in PEM form, as a stranger has them."""
    ca = city.application.keys.ca
    lists = [x509.load_der_x509_crl(await ca.crl_der(issuer)) for issuer in await ca.issuers()]
    roots = (await city.application.keys.service.trust_anchors()).pem().encode()
    return roots + b"".join(one.public_bytes(Encoding.PEM) for one in lists)
