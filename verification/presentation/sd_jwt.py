"""SD-JWT as it arrives (RFC 9901): taken apart strictly, disclosures put back. Pure; believes no signature.

Written without the library that the tests compare it with. Whatever is not exactly as the standard has it
is refused, before anybody looks at a key: one reading of a text is the only safe one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

MAXIMUM_CHARACTERS = 64 * 1024
MAXIMUM_DISCLOSURES = 100
MAXIMUM_DIGESTS = 1_000
MAXIMUM_DEPTH = 12
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_JWS_PARTS = 3
_PROPERTY, _ELEMENT = 3, 2
SD, DOTS, SD_ALG = "_sd", "...", "_sd_alg"
_RESERVED = frozenset({SD, DOTS, SD_ALG})
HASH = "sha-256"
NEVER_DISCLOSED = frozenset({"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "aka_vcts", "status"})
"""What decides about a credential stands in the open (SD-JWT VC, registered claims)."""

Path = tuple[str | int, ...]


class MalformedSdJwt(Exception):
    """The text breaks a rule of its format; the message names the rule and nothing of the content."""


@dataclass(frozen=True, slots=True)
class Jws:
    """A compact JWS taken apart; believed once its signature is checked."""

    text: str = field(repr=False)
    header: dict[str, Any]
    claims: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One disclosed claim, or one element of an array when it has no name."""

    name: str | None
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class SdJwt:
    """An SD-JWT, with a Key Binding JWT or without.

    `disclosures` go by their digest. `hashed` is the text that the Key Binding JWT's `sd_hash` covers.
    """

    credential: Jws
    disclosures: dict[str, Disclosure] = field(repr=False)
    key_binding: Jws | None
    hashed: str = field(repr=False)

    @property
    def sd_hash(self) -> str:
        """Return the digest a holder's signature must name (RFC 9901, 4.3.1)."""
        return digest_of(self.hashed)


@dataclass(frozen=True, slots=True)
class Disclosed:
    """The credential's claims with disclosures in their places, and where those places are."""

    claims: dict[str, Any] = field(repr=False)
    paths: tuple[Path, ...]


def digest_of(text: str) -> str:
    """Return the base64url SHA-256 of an ASCII text."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode("ascii")).digest()).rstrip(b"=").decode()


def unbase64url(text: str) -> bytes:
    """Decode base64url that is written in the one right way; raises MalformedSdJwt."""
    if not _BASE64URL.fullmatch(text):
        raise MalformedSdJwt("A part is not base64url.")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error) as error:
        raise MalformedSdJwt("A part is not base64url.") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise MalformedSdJwt("A part is base64url with stray bits.")
    return data


def strict_json(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON in which no member comes twice and everything can be written again; raises MalformedSdJwt."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_int=_whole, parse_constant=_no_constant
        )
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedSdJwt("A part is not clean JSON.") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a member is given twice"
        raise ValueError(message)
    return found


def _whole(text: str) -> int:
    """Read a whole number of at most 64 bits: others round longer ones, each in its own way."""
    value = int(text)
    if not -(1 << 63) <= value < 1 << 64:
        message = "a number is too long"
        raise ValueError(message)
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def read_jws(text: str) -> Jws:
    """Take a compact JWS with JSON content apart; raises MalformedSdJwt."""
    parts = text.split(".")
    if len(parts) != _JWS_PARTS or not all(parts):
        raise MalformedSdJwt("It is not a signed JWT.")
    header, claims = strict_json(unbase64url(parts[0])), strict_json(unbase64url(parts[1]))
    unbase64url(parts[2])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise MalformedSdJwt("A JWT holds something else than objects.")
    return Jws(text, header, claims)


def read_sd_jwt(unverified_text: str) -> SdJwt:
    """Take an SD-JWT in compact form apart; raises MalformedSdJwt."""
    if len(unverified_text) > MAXIMUM_CHARACTERS or not unverified_text.isascii():
        raise MalformedSdJwt("It is too long, or not ASCII.")
    first, *middle = unverified_text.split("~")
    if not middle:
        raise MalformedSdJwt("It is not an SD-JWT.")
    *disclosures, last = middle
    if len(disclosures) > MAXIMUM_DISCLOSURES:
        raise MalformedSdJwt("It has too many disclosures.")
    found = {digest_of(text): _disclosure(text) for text in disclosures}
    if len(found) != len(disclosures):
        raise MalformedSdJwt("A disclosure comes twice.")
    hashed = unverified_text[: len(unverified_text) - len(last)]
    return SdJwt(read_jws(first), found, read_jws(last) if last else None, hashed)


def _disclosure(text: str) -> Disclosure:
    value = strict_json(unbase64url(text))
    if not isinstance(value, list) or len(value) not in {_PROPERTY, _ELEMENT} or not isinstance(value[0], str):
        raise MalformedSdJwt("A disclosure is not an array of salt, name and value.")
    if len(value) == _ELEMENT:
        return Disclosure(None, value[1])
    name = value[1]
    if not isinstance(name, str) or name in _RESERVED:
        raise MalformedSdJwt("A disclosure has a name that is reserved.")
    return Disclosure(name, value[2])


def disclose(sd_jwt: SdJwt) -> Disclosed:
    """Put disclosures in their places (RFC 9901, 7.1, step 3); raises MalformedSdJwt.

    Refused are: another digest algorithm, a digest that comes twice, a disclosure no digest names or
    that stands where its form does not fit, a name that is taken, and what must stand in the open.
    """
    claims = dict(sd_jwt.credential.claims)
    if claims.pop(SD_ALG, HASH) != HASH:
        raise MalformedSdJwt("Its digests are of another algorithm than SHA-256.")
    work = _Placing(sd_jwt.disclosures)
    placed = work.in_object(claims, (), 0)
    if len(work.used) != len(sd_jwt.disclosures):
        raise MalformedSdJwt("A disclosure belongs to no digest.")
    if any(path[0] in NEVER_DISCLOSED for path in work.paths):
        raise MalformedSdJwt("A claim is disclosed that must stand in the open.")
    return Disclosed(placed, tuple(work.paths))


class _Placing:
    """Walks a payload once; every digest may be met once in all."""

    def __init__(self, disclosures: dict[str, Disclosure]) -> None:
        self._disclosures = disclosures
        self._met: set[str] = set()
        self.used: set[str] = set()
        self.paths: list[Path] = []

    def in_object(self, value: dict[str, Any], path: Path, depth: int) -> dict[str, Any]:
        digests = value.get(SD, [])
        if DOTS in value or SD_ALG in value:
            raise MalformedSdJwt("A reserved name stands in a wrong place.")
        if not isinstance(digests, list):
            raise MalformedSdJwt("The digests are not an array.")
        placed = {name: self._any(member, (*path, name), depth + 1) for name, member in value.items() if name != SD}
        for digest in digests:
            found = self._take(digest)
            if found is None:
                continue
            if found.name is None or found.name in placed:
                raise MalformedSdJwt("A disclosed name is taken, or missing.")
            self.paths.append((*path, found.name))
            placed[found.name] = self._any(found.value, (*path, found.name), depth + 1)
        return placed

    def _array(self, value: list[Any], path: Path, depth: int) -> list[Any]:
        placed: list[Any] = []
        for element in value:
            here = (*path, len(placed))
            if not isinstance(element, dict) or DOTS not in element:
                placed.append(self._any(element, here, depth + 1))
                continue
            if len(element) != 1:
                raise MalformedSdJwt("The digest of an element has company.")
            found = self._take(element[DOTS])
            if found is None:
                continue
            if found.name is not None:
                raise MalformedSdJwt("An element is disclosed with a name.")
            self.paths.append(here)
            placed.append(self._any(found.value, here, depth + 1))
        return placed

    def _any(self, value: Any, path: Path, depth: int) -> Any:  # noqa: ANN401 - any JSON value
        if depth > MAXIMUM_DEPTH:
            raise MalformedSdJwt("It is nested too deeply.")
        if isinstance(value, dict):
            return self.in_object(value, path, depth)
        return self._array(value, path, depth) if isinstance(value, list) else value

    def _take(self, digest: object) -> Disclosure | None:
        """Return what a digest stands for; None for one that stays undisclosed."""
        if not isinstance(digest, str) or digest in self._met or len(self._met) >= MAXIMUM_DIGESTS:
            raise MalformedSdJwt("A digest is no text, comes twice, or there are too many.")
        self._met.add(digest)
        found = self._disclosures.get(digest)
        if found is not None:
            self.used.add(digest)
        return found
