"""Offline packs: everything a checkpoint without a network needs, signed, in one file.

A ZIP file with `manifest.jws` and what it names by digest: `trust.json` (anchors,
revocation lists, keys of codes and receipts), `catalogue.json` (names of licence types)
and `status/<n>.cwt`; of each trusted city `cities/<place>/<n>.cwt`, `place` being its
place among the `cities` of `trust.json`. The manifest is signed by the service's trust-list key, whose
fingerprint the verifier pins. Reading believes nothing before signature and digests hold.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from verification.model import Sentence
from verification.signing_keys import holds
from verification.status.encoding import BadStatusList, StatusListToken, StatusValues, read_cwt
from verification.trust import TrustMaterial, VerificationKey
from verification.trust_lists import BadTrustList, TrustList, list_claims, list_of_claims

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPE = "hufu-pack+jwt"
MANIFEST = "manifest.jws"
LIFE = timedelta(hours=24)
MAXIMUM_BYTES = 64 * 1024 * 1024
MAXIMUM_FILES = 5_000
_EPOCH = (1980, 1, 1, 0, 0, 0)


class BadPack(Exception):
    """The file is no pack, or not whole, or not signed by the key it must be; the message says which."""


class LeftOut(StrEnum):
    """Why a pack does not hold a status list that a trusted city publishes."""

    NOT_FETCHED = "not_fetched"
    OVER_LIMIT = "over_limit"

    @property
    def sentence(self) -> Sentence:
        """Return it as one sentence."""
        return _LEFT_OUT[self]


_LEFT_OUT = {
    LeftOut.NOT_FETCHED: Sentence(
        "制作核验数据时，没能从该市取得这张状态列表。",
        "When these data were made, this status list could not be had from its city.",
    ),
    LeftOut.OVER_LIMIT: Sentence(
        "该市的状态列表超过核验数据的容量，这一张没有收入。",
        "The status lists of its city exceed what these data may hold; this one was left out.",
    ),
}


@dataclass(frozen=True, slots=True)
class CityInPack:
    """A trusted city and those of its status lists that a pack holds; each is believed when a code needs it."""

    trust_list: TrustList
    lists: Mapping[int, bytes]
    left_out: Mapping[int, LeftOut]

    def claims(self) -> dict[str, Any]:
        """Return what `trust.json` says of it: of its trust list what its status lists are judged by."""
        own = replace(
            self.trust_list,
            material=TrustMaterial(roots_der=()),
            code_keys=(),
            receipt_jwks={"keys": []},
            types={},
            status_lists=(),
        )
        reasons = {why: [number for number, cause in self.left_out.items() if cause is why] for why in LeftOut}
        return {"list": list_claims(own, b""), "left_out": reasons}


@dataclass(frozen=True, slots=True)
class OfflinePack:
    """A genuine pack, opened.

    `code_keys` are the service's and those of the cities it trusts; `statuses` are its own unpacked lists by
    number; `data_as_of` is when the oldest part was made, `expires_at` from when nothing may be called valid on its
    word; `verify_pages` are where codes may lead; `cities` hold the lists of others, by service; `left_out` says
    which of its own lists are missing, and why.
    """

    service_id: str
    issued_at: datetime
    expires_at: datetime
    data_as_of: datetime
    key_sha256: bytes
    material: TrustMaterial
    code_keys: tuple[VerificationKey, ...]
    receipt_jwks: Mapping[str, Any]
    types: Mapping[str, str]
    statuses: Mapping[int, StatusValues]
    verify_pages: tuple[str, ...]
    cities: Mapping[str, CityInPack] = field(default_factory=dict)
    left_out: Mapping[int, LeftOut] = field(default_factory=dict)

    def about(self, service_id: str, number: int) -> OfflinePack:
        """Return what it holds of a city's status list as a pack of that city's: its key, its dates (decision 0130)."""
        if service_id == self.service_id:
            return self
        city = self.cities.get(service_id)
        if city is None:
            return replace(self, types={}, statuses={})
        data = city.lists.get(number)
        token = None if data is None else city.trust_list.own_status_list(number, data)
        theirs = pack_of_city(city.trust_list, number, token, self.verify_pages)
        return replace(
            theirs,
            issued_at=max(self.issued_at, theirs.issued_at),
            expires_at=min(self.expires_at, theirs.expires_at),
            left_out=city.left_out,
        )


def pack_of_city(
    city: TrustList, number: int, token: StatusListToken | None, verify_pages: tuple[str, ...]
) -> OfflinePack:
    """Return what codes of one of a city's status lists are judged by; without the list their state is unknown."""
    try:
        statuses = {} if token is None else {number: token.facts.values()}
    except BadStatusList:
        token, statuses = None, {}
    as_of = city.issued_at if token is None else min(city.issued_at, token.facts.issued_at)
    return OfflinePack(
        service_id=city.service_id,
        issued_at=as_of,
        expires_at=city.expires_at if token is None else min(city.expires_at, token.facts.expires_at),
        data_as_of=as_of,
        key_sha256=city.key_sha256,
        material=city.material,
        code_keys=city.code_keys,
        receipt_jwks=city.receipt_jwks,
        types=city.types,
        statuses=statuses,
        verify_pages=verify_pages,
    )


def b64(data: bytes) -> str:
    """Return standard base64."""
    return base64.b64encode(data).decode()


def build_zip(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP file that depends on nothing but its content."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            # Status lists are compressed already.
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".cwt") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return out.getvalue()


def manifest_claims(
    files: Mapping[str, bytes], *, service_id: str, verify_page: str, public_key_der: bytes, issued_at: datetime
) -> dict[str, Any]:
    """Return what the manifest says of the other files."""
    return {
        "iss": service_id,
        "verify_page": verify_page,
        "iat": int(issued_at.timestamp()),
        "exp": int((issued_at + LIFE).timestamp()),
        "key": b64(public_key_der),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }


def read_pack(data: bytes, *, pinned_key_sha256: bytes | None = None) -> OfflinePack:
    """Open a pack; raises BadPack.

    Args:
        data: the whole file.
        pinned_key_sha256: SHA-256 of the SubjectPublicKeyInfo that must have signed it; without one
            the pack vouches for itself, as an anchors file does, and whoever hands it over answers for it.
    """
    if len(data) > MAXIMUM_BYTES:
        raise BadPack("It is too large.")
    files = _unzip(data)
    try:
        claims, key_der = _manifest(files.pop(MANIFEST).decode("ascii"))
        if {name: hashlib.sha256(content).hexdigest() for name, content in files.items()} != claims["files"]:
            raise BadPack("A file in it is not the one its manifest names.")
        key_sha256 = hashlib.sha256(key_der).digest()
        if pinned_key_sha256 is not None and key_sha256 != pinned_key_sha256:
            raise BadPack("It is signed by another key than the pinned one.")
        return _open(claims, files, key_sha256)
    except (KeyError, ValueError, TypeError, AttributeError, BadStatusList, BadTrustList) as error:
        raise BadPack("A part of it is missing or damaged.") from error


def _unzip(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAXIMUM_FILES or sum(entry.file_size for entry in entries) > MAXIMUM_BYTES:
                raise BadPack("It is too large.")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BadPack("It is no pack.") from error


def _manifest(token: str) -> tuple[dict[str, Any], bytes]:
    header, payload, signature = token.split(".")
    head, claims = json.loads(_unb64url(header)), json.loads(_unb64url(payload))
    if head.get("typ") != TYPE or head.get("alg") != "ES256":
        raise BadPack("Its manifest is another kind of token.")
    key_der = base64.b64decode(claims["key"], validate=True)
    if not holds(key_der, _unb64url(signature), f"{header}.{payload}".encode()):
        raise BadPack("The signature of its manifest does not hold.")
    return claims, key_der


def _unb64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _open(claims: Mapping[str, Any], files: Mapping[str, bytes], key_sha256: bytes) -> OfflinePack:
    trust = json.loads(files["trust.json"])
    issued_at = datetime.fromtimestamp(claims["iat"], UTC)
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    service_id = str(claims["iss"])
    list_keys = {bytes.fromhex(item["key_id"]): base64.b64decode(item["der"]) for item in trust["status_list_keys"]}
    statuses: dict[int, StatusValues] = {}
    oldest = datetime.fromisoformat(trust["revocation_as_of"])
    for name, content in files.items():
        if not name.startswith("status/"):
            continue
        token = read_cwt(content)
        key = list_keys.get(token.key_id)
        if key is None or not holds(key, token.signature, token.signed):
            raise BadPack("A status list in it is not signed by the service.")
        oldest, expires_at = min(oldest, token.facts.issued_at), min(expires_at, token.facts.expires_at)
        number = int(name.removeprefix("status/").removesuffix(".cwt"))
        if token.facts.subject.rpartition("/")[2] != str(number):
            raise BadPack("A status list in it stands under another number.")
        statuses[number] = token.facts.values()
    return OfflinePack(
        service_id=service_id,
        issued_at=issued_at,
        expires_at=expires_at,
        data_as_of=min(oldest, issued_at),
        key_sha256=key_sha256,
        material=TrustMaterial(
            roots_der=_ders(trust["roots"]),
            intermediates_der=_ders(trust["intermediates"]),
            crls_der=_ders(trust["crls"]),
            data_as_of=datetime.fromisoformat(trust["revocation_as_of"]),
        ),
        code_keys=tuple(_code_key(item, service_id) for item in trust["code_keys"]),
        receipt_jwks=trust["receipt_jwks"],
        types=json.loads(files["catalogue.json"]),
        statuses=statuses,
        # Packs of releases before this claim do not say.
        verify_pages=(str(claims["verify_page"]), *map(str, trust.get("other_pages", ())))
        if "verify_page" in claims
        else (),
        # Packs of releases before the lists of others have none.
        cities={
            city.trust_list.service_id: city
            for place, item in enumerate(trust.get("cities", ()))
            for city in [_city(item, f"cities/{place}/", files)]
        },
    )


def _city(item: Mapping[str, Any], folder: str, files: Mapping[str, bytes]) -> CityInPack:
    numbers = {name: name.removeprefix(folder).removesuffix(".cwt") for name in files if name.startswith(folder)}
    return CityInPack(
        list_of_claims(item["list"], b""),
        {int(number): files[name] for name, number in numbers.items()},
        {int(number): why for why in LeftOut for number in item["left_out"].get(why, ())},
    )


def _ders(items: list[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(item, validate=True) for item in items)


def _code_key(item: Mapping[str, Any], service_id: str) -> VerificationKey:
    since = item.get("not_trusted_from")
    return VerificationKey(
        bytes.fromhex(item["key_id"]),
        base64.b64decode(item["der"], validate=True),
        str(item.get("service", service_id)),
        datetime.fromisoformat(since) if since else None,
    )
