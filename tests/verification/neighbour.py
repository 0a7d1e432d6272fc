"""A trusted city's codes in every state, the packs that carry its lists, and what is known of it online."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.verification.test_offline import ENDS, INDEX, TAMPERING, pack_file, status_token, tampered
from tests.verification.test_qr import CLAIMS, EPOCH, KEY, KEY_ID, NOW, code_text
from verification.packs import CityInPack, LeftOut
from verification.trust import TrustMaterial, VerificationKey
from verification.trust_lists import LIFE, TrustList

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

THEIR_KEY = ec.generate_private_key(ec.SECP256R1())
THEIR_PUBLIC = THEIR_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
THEIR_ID = hashlib.sha256(THEIR_PUBLIC).digest()[:8]
THEIRS = VerificationKey(THEIR_ID, THEIR_PUBLIC, "CN-5108")
# A closed port of this machine, which nothing calls: what is not at hand cannot be had.
BASE = "http://127.0.0.1:1/status-lists"
CITY = TrustList(
    service_id="CN-5108",
    city_name="邻市",
    sequence=7,
    issued_at=NOW,
    expires_at=NOW + LIFE,
    key_sha256=b"",
    address="https://neighbour.example/api/v1/trust-list",
    status_base_url=BASE,
    verify_page="https://neighbour.example/v",
    material=TrustMaterial(roots_der=()),
    code_keys=(THEIRS,),
    status_list_keys=(THEIRS,),
    types={},
    receipt_jwks={"keys": []},
    status_lists=(1,),
)
LISTS = ["there", "old", "short", "another", "forged", "ours in its place", "missing", "too much"]
STANDINGS = ["trusted", "withdrawn", "compromised", "list over"]


@dataclass(frozen=True)
class Case:
    """What is known of the city, how its lists came, and the text of a code."""

    standing: str
    listed: str
    text: str
    pack: bytes
    city: TrustList | None
    token: bytes | None


def status_list(value: int, listed: str) -> bytes | None:
    """Return the city's list 1 as it came, believable or not; None where it did not."""
    values, theirs = {INDEX: value}, (THEIR_KEY, THEIR_ID)
    lists = {
        "there": lambda: status_token(values, base=BASE, signer=theirs),
        "old": lambda: status_token(values, base=BASE, signer=theirs, issued_at=NOW - timedelta(hours=24)),
        "short": lambda: status_token({}, base=BASE, signer=theirs, size=16),
        "another": lambda: status_token(values, base=BASE, signer=theirs, number=2),
        "forged": lambda: status_token(values, base=BASE, signer=(KEY, THEIR_ID)),
        "ours in its place": lambda: status_token(values),
    }
    return lists[listed]() if listed in lists else None


def codes() -> Iterator[str]:
    """Yield the city's codes: begun or not, ended or not, and tampered with."""
    dates = tuple(product([date(2025, 1, 1), date(2026, 3, 3)], ENDS[:3]))
    for (begin, end), kind in (*product(dates, ["none"]), *product(dates[:1], TAMPERING)):
        licence = CLAIMS[-65537] | {5: (begin - EPOCH).days, 6: None if end is None else (end - EPOCH).days}
        claims = CLAIMS | {1: "CN-5108", -65537: {key: value for key, value in licence.items() if value is not None}}
        yield tampered(code_text(claims, key=THEIR_KEY, key_id=THEIR_ID), kind)


def pack_with(
    city: TrustList | None, token: bytes | None, listed: str = "there", *, issued_at: datetime = NOW
) -> bytes:
    """Return our own pack as it is built, with the city in it or without."""
    ours = {"key_id": KEY_ID.hex(), "der": base64.b64encode(public_of(KEY)).decode(), "not_trusted_from": None}
    keys: list[dict[str, Any]] = [ours]
    if city is None:
        return pack_file(code_keys=keys, issued_at=issued_at)
    for key in city.code_keys:
        since = None if key.not_trusted_from is None else key.not_trusted_from.isoformat()
        theirs = {"key_id": key.key_id.hex(), "der": base64.b64encode(key.public_key_der).decode()}
        keys.append(theirs | {"not_trusted_from": since, "service": city.service_id})
    why = LeftOut.OVER_LIMIT if listed == "too much" else LeftOut.NOT_FETCHED
    held = CityInPack(city, {} if token is None else {1: token}, {1: why} if token is None else {})
    return pack_file(code_keys=keys, cities=[held], issued_at=issued_at)


def public_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public part of a key."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def standing_city(standing: str) -> TrustList | None:
    """Return the city's trust list as it is held, None where trust was withdrawn."""
    if standing == "withdrawn":
        return None
    if standing == "compromised":
        return replace(CITY, code_keys=(replace(THEIRS, not_trusted_from=NOW - timedelta(days=1)),))
    if standing == "list over":
        return replace(CITY, issued_at=NOW - LIFE, expires_at=NOW)
    return CITY


def cases() -> Iterator[Case]:
    """Yield every case: how the list came, with each value where it is believed × standing of the city × codes."""
    texts = tuple(codes())
    lists = [(value, listed) for value, listed in product(range(4), LISTS) if value == 0 or listed in {"there", "old"}]
    for (value, listed), standing in product(lists, STANDINGS):
        city, token = standing_city(standing), status_list(value, listed)
        pack = pack_with(city, token, listed)
        for text in texts:
            yield Case(standing, listed, text, pack, city, token)
