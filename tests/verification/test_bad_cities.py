"""Bad documents on a trusted city's wire: none of them is taken, and what is held stays."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from foundation.outbound import OutboundClient
from tests.verification.test_cities import OPERATOR
from tests.verification.test_qr import CLAIMS, code_text
from verification.cities import Cities
from verification.model import Verdict
from verification.neighbours import ALL_BYTES, ALL_LISTS, AT_ONCE, LONGEST_TTL_SECONDS, NeighbourLists, Room
from verification.packs import LeftOut
from verification.status.encoding import StatusListFacts, cose_sign1, cwt_parts, deflate, pack, signature_structure
from verification.tables import neighbour_lists
from verification.trust import TrustMaterial, VerificationKey
from verification.trust_lists import LIFE, LIST_PATH, TYPE, BadTrustList, TrustList, list_claims

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from foundation.audit import Audit
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from keys.assembly import Keys
    from verification.packs import CityInPack
    from verification.ports import LicenceTypes
    from verification.sources import KeysTrust

KEY, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signed(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    return b"".join(part.to_bytes(32) for part in decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256()))))


def published(trust_list: TrustList, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """Return a list as its city puts it on the wire."""
    return stating(list_claims(trust_list, public(key)), key)


def stating(claims: dict[str, Any], key: ec.EllipticCurvePrivateKey = KEY, *, behind: bytes = b"") -> bytes:
    """Return any claims signed as a list is."""
    parts = [{"alg": "ES256", "typ": TYPE}, claims]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts) + behind
    return text + b"." + base64.urlsafe_b64encode(signed(key, text)).rstrip(b"=")


def status_list(
    there: TrustList,
    number: int,
    key: ec.EllipticCurvePrivateKey | None = KEY,
    named: VerificationKey | None = None,
) -> bytes:
    """Return a status list under a city's address, signed or not."""
    facts = StatusListFacts(
        there.status_list_address(number), there.issued_at, there.expires_at, 30, deflate(pack(8, []))
    )
    protected, payload = cwt_parts(facts, (named or there.status_list_keys[0]).key_id)
    signature = bytes(64) if key is None else signed(key, signature_structure(protected, payload))
    return cose_sign1(protected, payload, signature)


class Wire(BaseHTTPRequestHandler):
    """Serves what a city publishes, by path; `asked` is what it was asked for, `tag` the ETag of everything."""

    pages: dict[str, bytes]
    asked: list[str]
    tag: bytes = b""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = self.pages.get(self.path)
        self.send_response(200 if body is not None else 404)
        if self.tag:
            self.send_header("ETag", self.tag.decode("latin-1"))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class CityWire:
    """A city's address, and what is served there."""

    port: int
    pages: dict[str, bytes]
    asked: list[str]
    handler: type[Wire]


@pytest.fixture
def wire() -> Iterator[CityWire]:
    pages: dict[str, bytes] = {}
    asked: list[str] = []
    handler = type("Page", (Wire,), {"pages": pages, "asked": asked})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield CityWire(server.server_port, pages, asked, handler)
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


DEEP = base64.urlsafe_b64encode(b'{"a":' + b"[" * 200_001)
ODD: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "a sequence beyond all bounds": lambda claims: stating(claims | {"seq": 2**70}),
    "a date beyond all years": lambda claims: stating(claims | {"exp": 1e300}),
    "something behind a part": lambda claims: stating(claims, behind=b"\0"),
    "nested deeply": lambda _: b".".join([DEEP, DEEP, b"AAAA"]),
}


@pytest.mark.parametrize("what", ODD)
async def test_what_one_city_serves_stops_no_update_of_anothers(
    cities: Cities, there: TrustList, wire: CityWire, what: str
) -> None:
    """The first in order serves something odd, the second a newer list."""
    second = replace(there, service_id="CN-5999", address=f"http://localhost:{wire.port}/second{LIST_PATH}")
    pin = hashlib.sha256(public(KEY)).digest()
    await cities.import_list(OPERATOR, published(second).decode(), pinned_key_sha256=pin)
    odd = ODD[what](list_claims(there, public(KEY)))
    with pytest.raises(BadTrustList):
        await cities.import_list(OPERATOR, odd.decode())
    wire.pages[LIST_PATH] = odd
    wire.pages[f"/second{LIST_PATH}"] = published(replace(second, sequence=8))
    await cities.update_all()
    assert {name: one.sequence for name, one in (await cities.trusted()).items()} == {"CN-5108": 7, "CN-5999": 8}


async def test_no_failure_of_one_city_is_everybodys(
    cities: Cities, there: TrustList, wire: CityWire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong, even here: the others have their turn, and the log says how many had none."""
    second = replace(there, service_id="CN-5000", address=f"http://localhost:{wire.port}/second{LIST_PATH}")
    cities._service_id, pin = "CN-5001", hashlib.sha256(public(KEY)).digest()
    await cities.import_list(OPERATOR, published(second).decode(), pinned_key_sha256=pin)
    wire.pages[LIST_PATH] = published(replace(there, sequence=8))
    wire.pages[f"/second{LIST_PATH}"] = b"odd"
    read = cities.import_list

    async def failing(principal: Principal, document: str) -> TrustList:
        if document == "odd":
            raise ZeroDivisionError
        return await read(principal, document)

    monkeypatch.setattr(cities, "import_list", failing)
    await cities.update_all()
    assert (await cities.trusted())["CN-5108"].sequence == 8
    said = [
        (record.getMessage(), record.__dict__.get("reason"), record.__dict__.get("failed")) for record in caplog.records
    ]
    assert said == [("trust list not updated", "ZeroDivisionError", None), ("trust lists not updated", None, 1)]


async def test_no_older_status_list_is_taken_after_a_newer_one(
    cities: Cities, neighbours: NeighbourLists, there: TrustList, wire: CityWire, clock: FixedClock
) -> None:
    """A cache between answers with the list of before the revocation, genuine and not over."""
    await publishing(cities, there, 1)
    newer = status_list(there, 1)
    older = status_list(replace(there, issued_at=there.issued_at - timedelta(hours=3)), 1)
    for page in (newer, older):
        wire.pages["/status-lists/1"] = page
        await neighbours.fetch_all()
        (held,) = await neighbours.for_pack()
        assert held.lists == {1: newer}
    assert await cities._status(there, 1) is None, "online neither, though this process held none"
    # Nor does the older one confirm the newer: it ages as if nothing had come.
    clock.advance(timedelta(seconds=LONGEST_TTL_SECONDS + 1))
    await neighbours.fetch_all()
    (held,) = await neighbours.for_pack()
    assert (held.lists, held.left_out) == ({}, {1: LeftOut.NOT_FETCHED})
    wire.pages["/status-lists/1"] = status_list(replace(there, issued_at=clock.now().replace(microsecond=0)), 1)
    taken = await cities._status(there, 1)
    assert taken is not None
    cities._statuses = {key: (float("-inf"), token) for key, (_, token) in cities._statuses.items()}
    wire.pages["/status-lists/1"] = newer
    assert await cities._status(there, 1) is None, "nor what this process alone had a newer one of"


async def test_a_tag_that_cannot_be_sent_back_is_none(
    cities: Cities, neighbours: NeighbourLists, there: TrustList, wire: CityWire
) -> None:
    await publishing(cities, there, 1)
    wire.pages["/status-lists/1"] = status_list(there, 1)
    for tag, kept in ((b'"\xff\xfe"', ""), (b'"' + b"a" * 300 + b'"', ""), (b'"a"', '"a"')):
        wire.handler.tag = tag
        await neighbours.fetch_all()
        async with cities._database.transaction() as connection:
            row = (await connection.execute(select(neighbour_lists))).one()
            assert (row.etag, row.cwt) == (kept, wire.pages["/status-lists/1"])
            # As an earlier release kept it.
            await connection.execute(neighbour_lists.update().values(etag=tag.decode("latin-1")))


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
    strange = VerificationKey(hashlib.sha256(public(STRANGER)).digest()[:8], public(STRANGER), "CN-5108")
    bad = {
        "unsigned": status_list(there, 1, None),
        "signed by another": status_list(there, 1, STRANGER),
        "by a key the city has not": status_list(there, 1, STRANGER, strange),
        "another list of the same city": status_list(there, 2),
        "nothing": b"",
    }
    for name, document in bad.items():
        wire.pages["/status-lists/1"] = document
        assert await cities._status(there, 1) is None, name
    wire.pages["/status-lists/1"] = status_list(there, 1)
    assert await cities._status(there, 1) is not None


async def test_a_code_that_the_city_did_not_sign_asks_the_city_nothing(
    cities: Cities, there: TrustList, wire: CityWire, clock: FixedClock
) -> None:
    key = VerificationKey(hashlib.sha256(public(KEY)).digest()[:8], public(KEY), "CN-5108")
    await cities.import_list(OPERATOR, published(replace(there, sequence=8, code_keys=(key,))).decode())
    claims = CLAIMS | {1: "CN-5108"}
    list_number = CLAIMS[-65537][7]
    for signer, asked in ((STRANGER, []), (KEY, [f"/status-lists/{list_number}"])):
        judged = await cities.judge_code(code_text(claims, key=signer, key_id=key.key_id), at=clock.now())
        assert judged is not None
        assert judged.verdict is not Verdict.VALID
        assert wire.asked == asked


@pytest.fixture
def neighbours(cities: Cities, database: Database, clock: FixedClock) -> NeighbourLists:
    return NeighbourLists(database, clock, cities._outbound, cities)


async def publishing(cities: Cities, there: TrustList, last: int) -> None:
    """Let the city publish lists 1 to `last`."""
    more = replace(there, status_lists=tuple(range(1, last + 1)))
    await cities.import_list(OPERATOR, published(more).decode())


async def test_a_pack_takes_what_the_city_gave_and_names_what_it_did_not(
    cities: Cities, neighbours: NeighbourLists, there: TrustList, wire: CityWire, clock: FixedClock
) -> None:
    await publishing(cities, there, 11)
    given = {number: status_list(there, number) for number in (1, 2, 9, 11)}
    wire.pages.update({f"/status-lists/{number}": body for number, body in given.items()})
    wire.pages["/status-lists/3"] = status_list(there, 3, STRANGER)
    await neighbours.fetch_all()
    (held,) = await neighbours.for_pack()
    assert held.lists == given
    assert held.left_out == dict.fromkeys((3, 4, 5, 6, 7, 8, 10), LeftOut.NOT_FETCHED)
    # Not confirmed for longer than a verdict online would rest on it: left out until the city answers again.
    clock.advance(timedelta(seconds=LONGEST_TTL_SECONDS + 1))
    wire.pages.clear()
    wire.asked.clear()
    await neighbours.fetch_all()
    (held,) = await neighbours.for_pack()
    assert (held.lists, set(held.left_out.values())) == ({}, {LeftOut.NOT_FETCHED})
    assert len(wire.asked) == AT_ONCE, "who answers nothing is not asked for more"


async def test_no_city_takes_more_than_its_room(
    cities: Cities, neighbours: NeighbourLists, there: TrustList, wire: CityWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publishing(cities, there, 5)
    given = {number: status_list(there, number) for number in range(1, 6)}
    wire.pages.update({f"/status-lists/{number}": body for number, body in given.items()})
    monkeypatch.setattr("verification.neighbours.CITY_LISTS", 4)
    await neighbours.fetch_all()
    (held,) = await neighbours.for_pack()
    assert (sorted(held.lists), held.left_out) == ([2, 3, 4, 5], {1: LeftOut.OVER_LIMIT})
    monkeypatch.setattr("verification.neighbours.CITY_BYTES", len(given[5]) + len(given[4]))
    (held,) = await neighbours.for_pack()
    assert (sorted(held.lists), held.left_out) == ([4, 5], dict.fromkeys((1, 2, 3), LeftOut.OVER_LIMIT))
    for cities_trusted in (1, 4, 21, 5_000):
        each = Room.for_each_of(cities_trusted)
        assert each.lists <= 600
        assert each.lists * cities_trusted <= ALL_LISTS
        assert each.size * cities_trusted <= ALL_BYTES


async def test_a_city_that_hangs_holds_nobody_up_and_one_withdrawn_is_forgotten(
    cities: Cities, neighbours: NeighbourLists, there: TrustList, wire: CityWire
) -> None:
    await publishing(cities, there, 1)
    wire.pages["/status-lists/1"] = status_list(there, 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hangs = replace(
            there,
            service_id="CN-5999",
            address=address + LIST_PATH,
            status_base_url=f"{address}/status-lists",
            status_lists=(1,),
        )
        await cities.import_list(
            OPERATOR, published(hangs).decode(), pinned_key_sha256=hashlib.sha256(public(KEY)).digest()
        )
        fetching = asyncio.create_task(neighbours.fetch_all())
        held: dict[str, CityInPack] = {}
        async with asyncio.timeout(20):
            while "CN-5108" not in held or not held["CN-5108"].lists:
                held = {city.trust_list.service_id: city for city in await neighbours.for_pack()}
        assert not fetching.done()
        assert held["CN-5999"].left_out == {1: LeftOut.NOT_FETCHED}
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
    await cities.withdraw(OPERATOR, "CN-5108")
    await cities.withdraw(OPERATOR, "CN-5999")
    assert await neighbours.for_pack() == ()
    await neighbours.fetch_all()
    async with cities._database.read() as connection:
        assert (await connection.execute(select(neighbour_lists))).all() == []
