"""Rightly signed trust lists that hold what nobody can use: refused on import, and harmless where they are held."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cbor2
import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from api.app import create_app
from foundation.clock import SystemClock
from tests.verification.city import small_city
from tests.verification.neighbour import CITY
from tests.verification.test_bad_cities import KEY, public, stating
from tests.verification.test_cities import OPERATOR
from tests.verification.test_qr import CLAIMS, code_text
from verification.packs import read_pack
from verification.status.encoding import BadStatusList, read_cwt
from verification.tables import trust_lists
from verification.trust_lists import LIFE, BadTrustList, list_claims, read_trust_list

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings
    from tests.verification.city import City
    from verification.cities import Cities

HALF = "http://127.0.0.1:9/\ud800"
P384 = ec.generate_private_key(ec.SECP384R1()).public_key()


def claims() -> dict[str, Any]:
    """Return the claims of a good list, of now."""
    now = SystemClock().now().replace(microsecond=0)
    return list_claims(replace(CITY, issued_at=now, expires_at=now + LIFE), public(KEY))


def key(der: bytes) -> dict[str, Any]:
    identifier = hashlib.sha256(der).digest()[:8].hex()
    return {"id": identifier, "der": base64.b64encode(der).decode(), "not_trusted_from": None}


def spki(public_key: ec.EllipticCurvePublicKey) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


# The same point in 33 bytes instead of 65.
SHORT = b"0\x39" + public(KEY)[2:24] + b"\x22\0"
SHORT += KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
assert isinstance(load_der_public_key(SHORT), ec.EllipticCurvePublicKey)

BAD: dict[str, dict[str, Any]] = {
    **{f"half a character in {name}": {name: HALF} for name in ("city", "address", "verify_page", "status_lists")},
    "half a character in a type": {"types": {"11100000000013338W011": "\ud800"}},
    "half a character in a key of receipts": {"receipt_jwks": {"keys": [{"kid": "\ud800"}]}},
    "a control in the city": {"city": "a\nb"},
    "no text for a city": {"city": ["邻", "市"]},
    "another kind of service": {"iss": "CN-5108\n"},
    "a long city": {"city": "市" * 201},
    "a long address": {"address": "http://127.0.0.1:9/" + "b" * 3_000_000},
    "an address of no web": {"address": "javascript:alert(1)"},
    "a long verify page": {"verify_page": "https://a.example/" + "b" * 400},
    "many keys": {"code_keys": [key(public(KEY))] * 201},
    "many keys of status lists": {"status_list_keys": [key(public(KEY))] * 201},
    "many keys of receipts": {"receipt_jwks": {"keys": [{"kid": "a"}] * 201}},
    "a long key of receipts": {"receipt_jwks": {"keys": [{"kid": "a", "n": "b" * 4_001}]}},
    "many types": {"types": {str(number): "" for number in range(10_001)}},
    "many revocation lists": {"crls": [""] * 501},
    "a root that is none": {"roots": ["AAAA"]},
    "a revocation list that is none": {"crls": ["AAAA"]},
    "a key of another curve": {"code_keys": [key(spki(P384))]},
    "a key that is none": {"code_keys": [key(b"none")]},
    "a key written in another way": {"code_keys": [key(SHORT)]},
    "a date that is no number": {"iat": "1"},
    "a date that is true": {"iat": True},
    "a date before all": {"exp": -1},
    "a moment beyond all years": {"revocation_as_of": "9999-12-31T23:59:59-23:00"},
    "a moment before all": {"revocation_as_of": "0001-01-01T00:00:00+00:00"},
    "a sequence that is none": {"seq": "7"},
}


def test_a_good_list_is_read() -> None:
    assert read_trust_list(stating(claims()).decode()).service_id == "CN-5108"


@pytest.mark.parametrize("what", BAD)
def test_what_nobody_can_use_is_refused(what: str) -> None:
    with pytest.raises(BadTrustList):
        read_trust_list(stating(claims() | BAD[what]).decode())


@pytest.fixture
async def ours(settings: Settings) -> AsyncIterator[City]:
    async with small_city(settings) as city:
        yield city


async def held_since_before(city: City, stated: dict[str, Any]) -> None:
    """Put a list where an earlier release, which did not look, would have put it."""
    cities = cities_of(city)
    pin = hashlib.sha256(public(KEY)).digest()
    await cities.import_list(OPERATOR, stating(claims()).decode(), pinned_key_sha256=pin)
    async with cities._database.transaction() as connection:
        await connection.execute(trust_lists.update().values(document=stating(stated).decode()))
    cities._kept = (float("-inf"), {})


def cities_of(city: City) -> Cities:
    cities = city.application.verification.cities
    assert cities is not None
    return cities


async def test_a_list_held_since_before_stops_nothing(ours: City, caplog: pytest.LogCaptureFixture) -> None:
    type_code = CLAIMS[-65537][1].split(".")[5]
    half = claims() | {"code_keys": [key(public(KEY))], "types": {type_code: "\ud800"}, "city": "\ud800"}
    await held_since_before(ours, half)
    text = code_text(CLAIMS | {1: "CN-5108"}, key=KEY, key_id=hashlib.sha256(public(KEY)).digest()[:8])
    app = create_app(ours.application.services)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answer = await http.post("/api/v1/verifications/qr", json={"text": text})
        pack = await http.get("/api/v1/offline-pack")
    assert (answer.status_code, answer.json()["report"]["reason"]) == (200, "code_issuer_unknown")
    assert pack.status_code == 200
    assert read_pack(pack.content).cities == {}
    await cities_of(ours).update_all()
    assert "CN-5108" in {record.__dict__.get("city") for record in caplog.records}, "the log names it"
    # Its next list is taken, and may have the place of the old one.
    await cities_of(ours).import_list(OPERATOR, stating(claims()).decode())
    assert set(await cities_of(ours).trusted()) == {"CN-5108"}


@pytest.mark.parametrize("claim", [2**40, [1, 2], {"lst": 2**40, "bits": 2}, {"lst": b"", "bits": 2}, {}])
def test_a_status_list_of_another_shape_is_none(claim: object) -> None:
    """What anybody can send, unsigned; a number where bytes belong would be that many bytes."""
    header = cbor2.dumps({1: -7, 16: "application/statuslist+cwt"})
    payload = cbor2.dumps({2: "s", 4: 1, 6: 1, 65533: claim})
    for first, signature in ((header, b"" if claim != {"lst": b"", "bits": 2} else 5), (cbor2.dumps([1, 2]), b"")):
        with pytest.raises(BadStatusList):
            read_cwt(cbor2.dumps(cbor2.CBORTag(18, [first, {}, payload, signature])))
