"""Licence identifiers (GB/T 36904) as people type them: tolerant, and explaining what is wrong.

`1.2.156.3005.2.<type code>.<issuer credit code>.<serial>.<version>.<check>`, the check
character by ISO/IEC 7064 MOD 37,36 over the four parts without dots. Written from the
standard, not from the code that issues identifiers.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from verification.model import Sentence

ROOT = "1.2.156.3005.2"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAXIMUM_LENGTH = 200

_TYPE = re.compile(r"[0-9A-Z]{18}\d{3}")
_CREDIT_CODE = re.compile(r"[0-9A-Z]{18}")
_SERIAL = re.compile(r"[0-9A-Z]{1,40}")
_VERSION = re.compile(r"\d{3}")
_LOOSE_VERSION = re.compile(r"V(\d)|V?(\d{1,3})\.(\d{1,2})")
"""`V3`, `V3.00`, `3.0`; nothing that is one slip away from three digits."""
_AREA = re.compile(r"\d{6}|\d{12}")
_LABEL = re.compile(r"^(?:证照标识|电子证照标识|标识|OID|URN:OID)[:：]?", re.IGNORECASE)
_DOTS = str.maketrans({"。": ".", "．": ".", "·": ".", "，": ".", ",": "."})


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an identifier, in canonical form."""

    type_code: str
    issuer_code: str
    serial: str
    version: str
    check: str

    @property
    def text(self) -> str:
        """Return the canonical identifier."""
        return f"{ROOT}.{self.type_code}.{self.issuer_code}.{self.serial}.{self.version}.{self.check}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What an identifier as typed amounts to.

    `parts` is None when it breaks a rule; `problems` says which, in words for the typist.
    `repairs` lists what was put right without changing the meaning.
    """

    parts: Parts | None
    problems: tuple[Sentence, ...] = ()
    repairs: tuple[Sentence, ...] = ()


def check_character(text: str) -> str:
    """Return the ISO/IEC 7064 MOD 37,36 check character of upper-case letters and digits."""
    product = 36
    for character in text:
        total = (product + ALPHABET.index(character)) % 36 or 36
        product = total * 2 % 37
    return ALPHABET[(37 - product) % 36]


def read_identifier(unverified_text: str) -> Reading:
    """Read an identifier as typed or scanned; never raises."""
    if len(unverified_text) > MAXIMUM_LENGTH:
        return Reading(None, (Sentence("证照标识过长。", "The identifier is too long."),))
    text = unicodedata.normalize("NFKC", unverified_text).translate(_DOTS)
    text = _LABEL.sub("", "".join(text.split())).upper()
    if not text:
        return Reading(None, (Sentence("没有输入证照标识。", "No identifier was given."),))
    body, problem = _without_root(text)
    if problem is not None:
        return Reading(None, (problem,))
    fields = _join_version(body.split("."))
    if len(fields) != 5:  # noqa: PLR2004 - type, issuer, serial, version, check
        return Reading(None, (_wrong_count(fields),))
    return _read_fields(fields)


def _without_root(text: str) -> tuple[str, Sentence | None]:
    if text.startswith(ROOT + "."):
        return text[len(ROOT) + 1 :], None
    head = text.split(".", 1)[0]
    if _TYPE.fullmatch(head):
        return text, None
    return "", Sentence(
        f"前缀应为 {ROOT}（电子证照标识的固定根）。", f"It must begin with {ROOT}, the root of licence identifiers."
    )


def _join_version(fields: list[str]) -> list[str]:
    """Put a version such as `V3.00`, which the dots tore apart, together again."""
    if len(fields) == 6 and re.fullmatch(r"V?\d{1,3}", fields[3]) and re.fullmatch(r"\d{1,2}", fields[4]):  # noqa: PLR2004
        return [*fields[:3], f"{fields[3]}.{fields[4]}", fields[5]]
    return fields


def _wrong_count(fields: list[str]) -> Sentence:
    names = ("证照类型代码", "颁发机构代码", "流水号", "版本号", "校验位")
    return Sentence(
        f"根之后应有五段（{'、'.join(names)}），现有 {len(fields)} 段。",
        f"Five parts must follow the root (type, issuer, serial, version, check); there are {len(fields)}.",
    )


def _read_fields(fields: list[str]) -> Reading:
    type_code, issuer, serial, version, check = fields
    problems: list[Sentence] = []
    repairs: list[Sentence] = []
    if not _TYPE.fullmatch(type_code):
        problems.append(
            Sentence(
                "证照类型代码应为 18 位信用代码加 3 位数字。",
                "The type code must be an 18-character credit code and 3 digits.",
            )
        )
    if _AREA.fullmatch(issuer):
        problems.append(
            Sentence(
                "颁发机构处填写的是行政区划代码，应为 18 位统一社会信用代码。",
                "The issuer is given as an area code; it must be an 18-character unified social credit code.",
            )
        )
    elif not _CREDIT_CODE.fullmatch(issuer):
        problems.append(
            Sentence(
                "颁发机构代码应为 18 位统一社会信用代码。",
                "The issuer must be an 18-character unified social credit code.",
            )
        )
    if not _SERIAL.fullmatch(serial):
        problems.append(
            Sentence("流水号只能由数字和大写字母组成。", "The serial may hold only digits and capital letters.")
        )
    if not _VERSION.fullmatch(version):
        version = _read_version(version, problems, repairs)
    if len(check) != 1 or check not in ALPHABET:
        problems.append(Sentence("校验位应为一位数字或大写字母。", "The check must be one digit or capital letter."))
    if problems:
        return Reading(None, tuple(problems), tuple(repairs))
    parts = Parts(type_code, issuer, serial, version, check)
    if check_character(type_code + issuer + serial + version) != check:
        problems.append(
            Sentence(
                "校验位不符，标识有误或输入有误。", "The check character does not fit: a part is mistyped or false."
            )
        )
        return Reading(None, tuple(problems), tuple(repairs))
    return Reading(parts, (), tuple(repairs))


def _read_version(version: str, problems: list[Sentence], repairs: list[Sentence]) -> str:
    """Return a version such as `V3.00` as three digits, noting the repair, or note the problem."""
    match = _LOOSE_VERSION.fullmatch(version)
    if match is None or int(match[3] or 0):
        problems.append(Sentence("版本号应为 3 位数字，如 001。", "The version must be three digits, such as 001."))
        return version
    digits = (match[1] or match[2]).zfill(3)
    repairs.append(
        Sentence(
            f"版本号“{version}”不合规范，按 {digits} 处理。",
            f"The version {version} breaks the rule and is read as {digits}.",
        )
    )
    return digits
