"""Trust lists: what one city publishes so that others can verify what it seals and issues.

A JWS signed by the city's trust-list key. It holds anchors, revocation lists, the keys
of codes and status lists, and where status lists are served. A city's first list is
imported with the fingerprint of its key, obtained by another way; from then on only that
key counts, and only a higher sequence replaces a list. A city is believed about what is its own, not about
how much of it there is: what a list holds is bounded (decision 0140). Pure.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography import x509

from foundation.errors import InvalidInput
from verification.presentation.sd_jwt import MalformedSdJwt, read_jws, unbase64url
from verification.signing_keys import holds, is_key
from verification.status.encoding import BadStatusList, StatusListToken, read_cwt
from verification.trust import TrustMaterial, VerificationKey

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

TYPE = "hufu-trust-list+jwt"
LIST_PATH = "/api/v1/trust-list"
CATALOGUE_PATH = "/api/v1/licence-types"
LIFE = timedelta(hours=24)
MAXIMUM_BYTES = 20 * 1024 * 1024
LAST_NUMBER = 2**31 - 1
MOST_NUMBERS = 10_000
MOST_KEYS, MOST_TYPES, MOST_CERTIFICATES = 200, 10_000, 500
LONGEST_TEXT, LONGEST_ADDRESS, LONGEST_CERTIFICATE = 200, 400, 16 * 1024
LONGEST_JWK_MEMBER, MOST_JWK_MEMBERS = 4_000, 20
Many = TypeVar("Many", bound="Collection[Any]")
_SERVICE_ID = re.compile(r"[A-Z]{2}-[0-9]{4,6}")
_ADDRESS = re.compile(r"https?://[!-~]+")
_LAST_SECOND, _LAST_SEQUENCE = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()), 2**53


class BadTrustList(InvalidInput):
    """The document is no trust list, or not signed by the key it must be, or not newer than the one held."""


@dataclass(frozen=True, slots=True)
class TrustList:
    """One city's list as it says of itself; genuine once read."""

    service_id: str
    city_name: str
    sequence: int
    issued_at: datetime
    expires_at: datetime
    key_sha256: bytes
    address: str
    status_base_url: str
    verify_page: str
    material: TrustMaterial
    code_keys: tuple[VerificationKey, ...]
    status_list_keys: tuple[VerificationKey, ...]
    types: Mapping[str, str]
    receipt_jwks: Mapping[str, Any]
    status_lists: tuple[int, ...] = ()
    """Numbers of the lists it publishes; lists of releases before this claim do not say."""

    @property
    def issuer(self) -> str:
        """Return the address by which the city's receipts name it."""
        return self.address.removesuffix(LIST_PATH)

    def is_current(self, at: datetime) -> bool:
        """Tell whether the list may be relied on at a moment."""
        return self.issued_at - timedelta(minutes=5) <= at < self.expires_at

    def status_list_address(self, number: int) -> str:
        """Return where one of its status lists is published."""
        return f"{self.status_base_url}/{number}"

    def own_status_list(self, number: int, unverified: bytes) -> StatusListToken | None:
        """Take one of its status lists apart; None unless it is that list, signed by the city's own key."""
        try:
            token = read_cwt(unverified)
        except BadStatusList:
            return None
        key = next((item for item in self.status_list_keys if item.key_id == token.key_id), None)
        named = token.facts.subject == self.status_list_address(number)
        signed = key is not None and holds(key.public_key_der, token.signature, token.signed)
        return token if named and signed else None


def list_claims(trust_list: TrustList, public_key_der: bytes) -> dict[str, Any]:
    """Return the claims of a list."""
    material = trust_list.material
    return {
        "iss": trust_list.service_id,
        "city": trust_list.city_name,
        "seq": trust_list.sequence,
        "iat": int(trust_list.issued_at.timestamp()),
        "exp": int(trust_list.expires_at.timestamp()),
        "key": base64.b64encode(public_key_der).decode(),
        "address": trust_list.address,
        "status_lists": trust_list.status_base_url,
        "status_list_numbers": list(trust_list.status_lists),
        "catalogue": f"{trust_list.issuer}{CATALOGUE_PATH}",
        "verify_page": trust_list.verify_page,
        "roots": _texts(material.roots_der),
        "intermediates": _texts(material.intermediates_der),
        "crls": _texts(material.crls_der),
        "revocation_as_of": (material.data_as_of or trust_list.issued_at).isoformat(),
        "code_keys": [_key_claims(key) for key in trust_list.code_keys],
        "status_list_keys": [_key_claims(key) for key in trust_list.status_list_keys],
        "types": dict(trust_list.types),
        "receipt_jwks": dict(trust_list.receipt_jwks),
    }


def read_trust_list(unverified_document: str) -> TrustList:
    """Read a list and check its own signature; raises BadTrustList.

    Whose key that is says `key_sha256`; the caller compares it with the pinned one.
    """
    if len(unverified_document) > MAXIMUM_BYTES:
        raise BadTrustList("The trust list is too large.", field="document")
    try:
        jws = read_jws(unverified_document.strip())
        signed, _, signature = jws.text.rpartition(".")
        key_der = base64.b64decode(jws.claims["key"], validate=True)
        right = jws.header["typ"] == TYPE and jws.header["alg"] == "ES256"
        if not right or not holds(key_der, unbase64url(signature), signed.encode()):
            raise BadTrustList("The signature of the trust list does not hold.", field="document")
        return list_of_claims(jws.claims, key_der)
    except (MalformedSdJwt, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadTrustList("The document is no trust list.", field="document") from error


def list_of_claims(claims: Mapping[str, Any], key_der: bytes) -> TrustList:
    """Return a list by claims that somebody vouched for; a ValueError, KeyError or TypeError where they are none."""
    service_id = claims["iss"]
    if not _SERVICE_ID.fullmatch(service_id):
        raise BadTrustList("The trust list is of no service.", field="document")
    issued_at = datetime.fromtimestamp(_whole(claims["iat"], _LAST_SECOND), UTC)
    return TrustList(
        service_id=service_id,
        city_name=_text(claims["city"]),
        sequence=_whole(claims["seq"], _LAST_SEQUENCE),
        issued_at=issued_at,
        # Nobody is trusted for longer than a list may live, whatever it says.
        expires_at=min(datetime.fromtimestamp(_whole(claims["exp"], _LAST_SECOND), UTC), issued_at + LIFE),
        key_sha256=hashlib.sha256(key_der).digest(),
        address=_address(claims["address"]),
        status_base_url=_address(claims["status_lists"]),
        # Lists of releases before this claim stand for pages at the same address.
        verify_page=_address(claims.get("verify_page", claims["address"])),
        material=TrustMaterial(
            roots_der=_ders(claims["roots"], LONGEST_CERTIFICATE, x509.load_der_x509_certificate),
            intermediates_der=_ders(claims["intermediates"], LONGEST_CERTIFICATE, x509.load_der_x509_certificate),
            crls_der=_ders(claims["crls"], MAXIMUM_BYTES, x509.load_der_x509_crl),
            data_as_of=_moment(claims["revocation_as_of"]),
        ),
        code_keys=tuple(_key(item, service_id) for item in _few(claims["code_keys"], MOST_KEYS)),
        status_list_keys=tuple(_key(item, service_id) for item in _few(claims["status_list_keys"], MOST_KEYS)),
        types={_text(code): _text(name) for code, name in _few(claims["types"], MOST_TYPES).items()},
        receipt_jwks=_receipt_jwks(claims.get("receipt_jwks", {"keys": []})),
        status_lists=_numbers(claims.get("status_list_numbers", [])),
    )


def require_successor(new: TrustList, *, pinned_key_sha256: bytes, held_sequence: int | None, now: datetime) -> None:
    """Check that a list may replace what is held of its city; raises BadTrustList."""
    if new.key_sha256 != pinned_key_sha256:
        raise BadTrustList("The trust list is signed by another key than the pinned one.", field="document")
    if held_sequence is not None and new.sequence < held_sequence:
        raise BadTrustList("The trust list is older than the one held.", field="document")
    if not new.is_current(now):
        raise BadTrustList("The trust list is not current.", field="document")


def joined(own: TrustMaterial, others: Iterable[TrustMaterial]) -> TrustMaterial:
    """Return material with which seals of every city in it can be judged."""
    parts = [own, *others]
    ages = [part.data_as_of for part in parts if part.data_as_of is not None]
    return TrustMaterial(
        roots_der=tuple(der for part in parts for der in part.roots_der),
        intermediates_der=tuple(der for part in parts for der in part.intermediates_der),
        crls_der=tuple(der for part in parts for der in part.crls_der),
        ocsp_responses_der=own.ocsp_responses_der,
        untrusted_from=own.untrusted_from,
        data_as_of=min(ages, default=None),
    )


def _texts(items: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(item).decode() for item in items]


def _ders(items: Collection[str], longest: int, load: Callable[[bytes], object]) -> tuple[bytes, ...]:
    """Return certificates or revocation lists; one that nobody can read would stop every verdict on a PDF."""
    ders = tuple(base64.b64decode(item, validate=True) for item in _few(items, MOST_CERTIFICATES))
    for der in ders:
        if len(der) > longest:
            raise BadTrustList("A certificate in the trust list is too long.", field="document")
        load(der)
    return ders


def _few(items: Many, most: int) -> Many:
    if len(items) > most:
        raise BadTrustList("The trust list holds too many of something.", field="document")
    return items


def _text(value: object, longest: int = LONGEST_TEXT) -> str:
    """Return a text that can be written again and shown: of bounded length, no halves of characters, no controls."""
    if not isinstance(value, str) or len(value) > longest or {"Cc", "Cs"} & set(map(unicodedata.category, value)):
        raise BadTrustList("A text in the trust list is too long or cannot be shown.", field="document")
    return value


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value) or len(value) > LONGEST_ADDRESS:
        raise BadTrustList("An address in the trust list is too long or none of the web.", field="document")
    return value


def _whole(value: object, most: int) -> int:
    if type(value) is int and 0 <= value <= most:
        return value
    raise BadTrustList("A number in the trust list is out of bounds.", field="document")


def _key_claims(key: VerificationKey) -> dict[str, Any]:
    since = key.not_trusted_from
    return {
        "id": key.key_id.hex(),
        "der": base64.b64encode(key.public_key_der).decode(),
        "not_trusted_from": None if since is None else since.isoformat(),
    }


def _key(item: Mapping[str, Any], service_id: str) -> VerificationKey:
    since = item["not_trusted_from"]
    der = base64.b64decode(item["der"], validate=True)
    if hashlib.sha256(der).digest()[:8].hex() != item["id"] or not is_key(der):
        raise BadTrustList("A key in the trust list does not have its id, or is none of P-256.", field="document")
    return VerificationKey(bytes.fromhex(item["id"]), der, service_id, _moment(since) if since else None)


def _numbers(unverified: Iterable[Any]) -> tuple[int, ...]:
    numbers = sorted(set(unverified))
    if len(numbers) > MOST_NUMBERS or not all(type(item) is int and 0 <= item <= LAST_NUMBER for item in numbers):
        raise BadTrustList("The status lists in the trust list are too many or have no number.", field="document")
    return tuple(numbers)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise BadTrustList("A moment in the trust list has no time zone.", field="document")
    _whole(int(moment.timestamp()), _LAST_SECOND)
    return moment.astimezone(UTC)


def _receipt_jwks(unverified: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys as a list states them; lists of releases before this claim have none."""
    keys = []
    for item in _few(unverified["keys"], MOST_KEYS):
        members = _few(item, MOST_JWK_MEMBERS).items()
        key = {_text(name): _text(value, LONGEST_JWK_MEMBER) for name, value in members}
        if "kid" not in key:
            raise BadTrustList("A key of receipts has no name.", field="document")
        if "not_trusted_from" in key:
            _moment(key["not_trusted_from"])
        keys.append(key)
    return {"keys": keys}
