"""Trust lists: what one city publishes so that others can verify what it seals and issues.

A JWS signed by the city's trust-list key. It holds anchors, revocation lists, the keys
of codes and status lists, and where status lists are served. A city's first list is
imported with the fingerprint of its key, obtained by another way; from then on only that
key counts, and only a higher sequence replaces a list. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from foundation.errors import InvalidInput
from verification.signing_keys import holds
from verification.status.encoding import BadStatusList, StatusListToken, read_cwt
from verification.trust import TrustMaterial, VerificationKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TYPE = "hufu-trust-list+jwt"
LIST_PATH = "/api/v1/trust-list"
CATALOGUE_PATH = "/api/v1/licence-types"
LIFE = timedelta(hours=24)
MAXIMUM_BYTES = 20 * 1024 * 1024
LAST_NUMBER = 2**31 - 1
MOST_NUMBERS = 10_000


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
        header, payload, signature = unverified_document.strip().split(".")
        head, claims = json.loads(_unb64url(header)), json.loads(_unb64url(payload))
        key_der = base64.b64decode(claims["key"], validate=True)
        signed = head["typ"] == TYPE and head["alg"] == "ES256"
        if not signed or not holds(key_der, _unb64url(signature), f"{header}.{payload}".encode()):
            raise BadTrustList("The signature of the trust list does not hold.", field="document")
        return list_of_claims(claims, key_der)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadTrustList("The document is no trust list.", field="document") from error


def list_of_claims(claims: Mapping[str, Any], key_der: bytes) -> TrustList:
    """Return a list by claims that somebody vouched for; a ValueError, KeyError or TypeError where they are none."""
    service_id = str(claims["iss"])
    return TrustList(
        service_id=service_id,
        city_name=str(claims["city"]),
        sequence=int(claims["seq"]),
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        # Nobody is trusted for longer than a list may live, whatever it says.
        expires_at=min(datetime.fromtimestamp(claims["exp"], UTC), datetime.fromtimestamp(claims["iat"], UTC) + LIFE),
        key_sha256=hashlib.sha256(key_der).digest(),
        address=str(claims["address"]),
        status_base_url=str(claims["status_lists"]),
        # Lists of releases before this claim stand for pages at the same address.
        verify_page=str(claims.get("verify_page", claims["address"])),
        material=TrustMaterial(
            roots_der=_ders(claims["roots"]),
            intermediates_der=_ders(claims["intermediates"]),
            crls_der=_ders(claims["crls"]),
            data_as_of=_moment(claims["revocation_as_of"]),
        ),
        code_keys=tuple(_key(item, service_id) for item in claims["code_keys"]),
        status_list_keys=tuple(_key(item, service_id) for item in claims["status_list_keys"]),
        types={str(code): str(name) for code, name in claims["types"].items()},
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


def _ders(items: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(item, validate=True) for item in items)


def _unb64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


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
    if hashlib.sha256(der).digest()[:8].hex() != item["id"]:
        raise BadTrustList("A key in the trust list does not have its id.", field="document")
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
    return moment


def _receipt_jwks(unverified: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys as a list states them; lists of releases before this claim have none."""
    keys = []
    for item in unverified["keys"]:
        if not isinstance(item["kid"], str):
            raise BadTrustList("A key of receipts has no name.", field="document")
        if "not_trusted_from" in item:
            _moment(item["not_trusted_from"])
        keys.append(dict(item))
    return {"keys": keys}
