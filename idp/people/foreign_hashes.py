"""Password hashes of systems whose accounts came over (存量账户): recognised, bounded, verified.

They are verified as they are and replaced by Argon2id at the first right sign-in. A hash
whose cost would let one sign-in hold a worker for seconds is not taken in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

import bcrypt

MOST_ITERATIONS = 2_000_000
MOST_BCRYPT_COST = 14
MOST_PHPASS_LOG2 = 18
BCRYPT_BYTES = 72
"""bcrypt reads no further; the systems that made these hashes cut there too."""

_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}\Z")
_PBKDF2 = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$([0-9]{1,8})\$([^$]{1,64})\$([A-Za-z0-9+/=]{20,128})\Z")
_LDAP = re.compile(r"\{SSHA(256|512)?\}([A-Za-z0-9+/]{28,140}={0,2})\Z")
_PHPASS = re.compile(r"\$[PH]\$([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{22})\Z")
_ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LDAP_DIGESTS = {None: ("sha1", 20), "256": ("sha256", 32), "512": ("sha512", 64)}


def problem(stored: str) -> str | None:
    """Return why a foreign hash is not taken in, or None."""
    if match := _BCRYPT.match(stored):
        return None if int(match[1]) <= MOST_BCRYPT_COST else f"bcrypt cost above {MOST_BCRYPT_COST}"
    if match := _PBKDF2.match(stored):
        return None if 0 < int(match[2]) <= MOST_ITERATIONS else f"PBKDF2 iterations above {MOST_ITERATIONS}"
    if match := _PHPASS.match(stored):
        log2 = _ITOA64.index(match[1])
        return None if log2 <= MOST_PHPASS_LOG2 else f"phpass rounds above 2^{MOST_PHPASS_LOG2}"
    if match := _LDAP.match(stored):
        return None if _salted(match) is not None else "not a salted SHA hash"
    return "not bcrypt, PBKDF2, salted SHA or phpass"


def is_foreign(stored: str) -> bool:
    """Tell whether a stored hash is one of these forms."""
    return not stored.startswith("$argon2")


def verify(stored: str, password: str) -> bool:
    """Tell whether a password fits a foreign hash; a form we do not know fits nothing."""
    secret = password.encode()
    if _BCRYPT.match(stored):
        return bcrypt.checkpw(secret[:BCRYPT_BYTES], stored.encode())
    if match := _PBKDF2.match(stored):
        made = hashlib.pbkdf2_hmac(match[1], secret, match[3].encode(), int(match[2]))
        return hmac.compare_digest(base64.b64encode(made).decode(), match[4])
    if match := _LDAP.match(stored):
        salted = _salted(match)
        return salted is not None and hmac.compare_digest(
            hashlib.new(salted[0], secret + salted[2]).digest(), salted[1]
        )
    if match := _PHPASS.match(stored):
        return hmac.compare_digest(_phpass(secret, match), match[3])
    return False


def _salted(match: re.Match[str]) -> tuple[str, bytes, bytes] | None:
    """Return digest name, digest and salt of an LDAP hash; None when it is too short to be salted."""
    name, size = _LDAP_DIGESTS[match[1]]
    try:
        raw = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        return None
    return (name, raw[:size], raw[size:]) if len(raw) > size else None


def _phpass(secret: bytes, match: re.Match[str]) -> str:
    """Return the 22 characters of a portable phpass hash: MD5, 2^n rounds."""
    digest = hashlib.md5(match[2].encode() + secret, usedforsecurity=False).digest()
    for _ in range(1 << _ITOA64.index(match[1])):
        digest = hashlib.md5(digest + secret, usedforsecurity=False).digest()
    encoded = ""
    for place in range(0, 16, 3):
        chunk = int.from_bytes(digest[place : place + 3], "little")
        encoded += "".join(_ITOA64[chunk >> shift & 0x3F] for shift in (0, 6, 12, 18))
    return encoded[:22]
