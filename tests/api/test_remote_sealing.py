"""Sealing for department systems beyond one document in one call, over HTTP."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from api.examples import SEAL_DIGEST
from tests.signing.peers import run

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

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
