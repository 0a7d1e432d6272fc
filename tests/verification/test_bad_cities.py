"""Bad documents on a trusted city's wire: none of them is taken, and what is held stays."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from foundation.outbound import OutboundClient
from tests.verification.test_cities import OPERATOR
from verification.cities import Cities
from verification.status.encoding import StatusListFacts, cose_sign1, cwt_parts, deflate, pack, signature_structure
from verification.trust import TrustMaterial, VerificationKey
from verification.trust_lists import LIFE, LIST_PATH, TYPE, BadTrustList, TrustList, joined, list_claims

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from foundation.audit import Audit
    from foundation.clock import FixedClock
    from foundation.database import Database
    from keys.assembly import Keys
    from verification.ports import LicenceTypes
    from verification.sources import KeysTrust

KEY, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signed(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    return b"".join(part.to_bytes(32) for part in decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256()))))


def published(trust_list: TrustList, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """Return a list as its city puts it on the wire."""
    parts = [{"alg": "ES256", "typ": TYPE}, list_claims(trust_list, public(key))]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return text + b"." + base64.urlsafe_b64encode(signed(key, text)).rstrip(b"=")


class Wire(BaseHTTPRequestHandler):
    """Serves what a city publishes, by path."""

    pages: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.pages.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class CityWire:
    """A city's address, and what is served there."""

    port: int
    pages: dict[str, bytes]


@pytest.fixture
def wire() -> Iterator[CityWire]:
    pages: dict[str, bytes] = {}
    server = HTTPServer(("127.0.0.1", 0), type("Page", (Wire,), {"pages": pages}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield CityWire(server.server_port, pages)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def there(wire: CityWire, clock: FixedClock) -> TrustList:
    """Another city, as its list tells of it."""
    address, now = f"http://127.0.0.1:{wire.port}", clock.now().replace(microsecond=0)
    return TrustList(
        service_id="CN-5108",
        city_name="邻市",
        sequence=7,
        issued_at=now,
        expires_at=now + timedelta(hours=24),
        key_sha256=b"",
        address=address + LIST_PATH,
        status_base_url=f"{address}/status-lists",
        verify_page=f"{address}/v",
        material=TrustMaterial(roots_der=()),
        code_keys=(),
        status_list_keys=(VerificationKey(hashlib.sha256(public(KEY)).digest()[:8], public(KEY), "CN-5108"),),
        types={},
        receipt_jwks={"keys": []},
    )


@pytest.fixture
async def cities(database: Database, clock: FixedClock, audit: Audit, there: TrustList) -> AsyncIterator[Cities]:
    """Our side, which trusts the other city's key; it signs and publishes nothing here."""
    outbound = OutboundClient(("127.0.0.0/8",))
    own = cast("Keys", None), cast("KeysTrust", None), cast("LicenceTypes", None)
    cities = Cities(
        database, clock, audit, *own, outbound, service_id="CN-5000", city_name="", issuer="", verify_page=""
    )
    await cities.import_list(
        OPERATOR, published(there).decode(), pinned_key_sha256=hashlib.sha256(public(KEY)).digest()
    )
    yield cities
    await outbound.close()


async def test_no_update_brings_an_older_list_or_one_of_another_key(
    cities: Cities, there: TrustList, wire: CityWire
) -> None:
    async def after(document: bytes) -> tuple[int, str]:
        wire.pages[LIST_PATH] = document
        await cities.update_all()
        cities._kept = (float("-inf"), {})
        held = (await cities.trusted())["CN-5108"]
        return held.sequence, held.city_name

    newer = replace(there, sequence=8, city_name="新")
    assert await after(published(newer, STRANGER)) == (7, "邻市")
    assert await after(published(newer)[:-8] + b"AAAAAAAA") == (7, "邻市")
    assert await after(published(newer)) == (8, "新")
    assert await after(published(there)) == (8, "新")
    with pytest.raises(BadTrustList, match="older"):
        await cities.import_list(OPERATOR, published(there).decode())


async def test_no_city_speaks_for_another_address_or_for_longer_than_a_day(cities: Cities, there: TrustList) -> None:
    def pinned(trust_list: TrustList) -> tuple[str, bytes]:
        return published(trust_list, STRANGER).decode(), hashlib.sha256(public(STRANGER)).digest()

    third = replace(there, service_id="CN-5999", address=f"https://third.example{LIST_PATH}")
    cities._issuer = "https://ours.example"
    for address in (there.address, f"https://ours.example{LIST_PATH}"):
        document, pin = pinned(replace(third, address=address))
        with pytest.raises(BadTrustList, match="another service's"):
            await cities.import_list(OPERATOR, document, pinned_key_sha256=pin)
    document, pin = pinned(replace(third, expires_at=there.issued_at + timedelta(days=36_500)))
    kept = await cities.import_list(OPERATOR, document, pinned_key_sha256=pin)
    assert kept.expires_at == there.issued_at + LIFE
    naive = {"kid": "k", "not_trusted_from": "2026-01-01T00:00:00"}
    document, pin = pinned(replace(third, receipt_jwks={"keys": [naive]}))
    with pytest.raises(BadTrustList, match="time zone"):
        await cities.import_list(OPERATOR, document, pinned_key_sha256=pin)


async def test_no_status_list_is_believed_that_is_unsigned_or_anothers_or_of_another_address(
    cities: Cities, there: TrustList, wire: CityWire
) -> None:
    def status_list(number: int, key: ec.EllipticCurvePrivateKey | None, named: VerificationKey) -> bytes:
        facts = StatusListFacts(
            f"{there.status_base_url}/{number}", there.issued_at, there.expires_at, 30, deflate(pack(8, []))
        )
        protected, payload = cwt_parts(facts, named.key_id)
        signature = bytes(64) if key is None else signed(key, signature_structure(protected, payload))
        return cose_sign1(protected, payload, signature)

    (own,) = there.status_list_keys
    strange = VerificationKey(hashlib.sha256(public(STRANGER)).digest()[:8], public(STRANGER), "CN-5108")
    bad = {
        "unsigned": status_list(1, None, own),
        "signed by another": status_list(1, STRANGER, own),
        "by a key the city has not": status_list(1, STRANGER, strange),
        "another list of the same city": status_list(2, KEY, own),
        "nothing": b"",
    }
    for name, document in bad.items():
        wire.pages["/status-lists/1"] = document
        assert await cities._status(there, 1) is None, name
    wire.pages["/status-lists/1"] = status_list(1, KEY, own)
    assert await cities._status(there, 1) is not None


def test_a_seal_is_judged_with_the_anchors_and_revocations_of_every_city(clock: FixedClock) -> None:
    now = clock.now()
    ours = TrustMaterial((b"r1",), (b"i1",), crls_der=(b"c1",), data_as_of=now)
    theirs = TrustMaterial((b"r2",), (b"i2",), crls_der=(b"c2",), data_as_of=now - timedelta(hours=1))
    both = joined(ours, [theirs])
    assert (both.roots_der, both.intermediates_der) == ((b"r1", b"r2"), (b"i1", b"i2"))
    assert both.crls_der == (b"c1", b"c2")
    assert both.data_as_of == theirs.data_as_of, "no younger than its oldest part"
    assert both.revocation_required
