"""GB/T 36904 licence identifiers, strictly, for issuing.

`1.2.156.3005.2.<type>.<issuer credit code>.<serial>.<version>.<check>`; the check
character is ISO/IEC 7064 MOD 37,36 over the four middle parts without dots.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from licence_vault.errors import InvalidLicenceIdentifier

ROOT = "1.2.156.3005.2"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_MODULUS = 36
MAX_VERSION = 999
_FORM = re.compile(
    r"1\.2\.156\.3005\.2\."
    r"(?P<type>[0-9A-Z]{18}[0-9]{3})\.(?P<issuer>[0-9A-Z]{18})\.(?P<serial>[0-9A-Z]{1,20})\."
    r"(?P<version>[0-9]{3})\.(?P<check>[0-9A-Z])",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class LicenceIdentifier:
    """A checked identifier in its parts; `str()` gives the text."""

    type_code: str
    issuer_code: str
    serial: str
    version: int

    def __str__(self) -> str:
        body = (self.type_code, self.issuer_code, self.serial, f"{self.version:03d}")
        return ".".join((ROOT, *body, check_character("".join(body))))


def check_character(payload: str) -> str:
    """Return the ISO/IEC 7064 MOD 37,36 check character of upper-case letters and digits."""
    product = _MODULUS
    for character in payload:
        total = (product + _VALUES[character]) % _MODULUS or _MODULUS
        product = total * 2 % (_MODULUS + 1)
    return _ALPHABET[(_MODULUS + 1 - product) % _MODULUS]


def parse_identifier(text: str) -> LicenceIdentifier:
    """Return the parts of a well-formed identifier; raises InvalidLicenceIdentifier."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidLicenceIdentifier(
            "证照标识格式不符合 GB/T 36904 / not in the form of GB/T 36904.", field="identifier"
        )
    identifier = LicenceIdentifier(match["type"], match["issuer"], match["serial"], int(match["version"]))
    if str(identifier) != text:
        raise InvalidLicenceIdentifier("证照标识校验码错误 / the check character is wrong.", field="identifier")
    return identifier
