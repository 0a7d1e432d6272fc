"""Holder codes: the code types of GB/T 36903 annex A and the rule each value must keep.

The numbers are those of GA/T 517 (常用证件代码), which the annex takes over, with
`001` for organisations and `999` for what none of them names.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from foundation.identity_numbers import parse_citizen_id_number, parse_unified_social_credit_code
from licence_vault.errors import InvalidHolder
from licence_vault.model import Holder, HolderKind
from licence_vault.texts import check_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from licence_vault.definitions import LicenceType

CREDIT_CODE = "001"
CITIZEN_ID = "111"
OTHER = "999"

CODE_TYPES: dict[str, str] = {
    CREDIT_CODE: "统一社会信用代码",
    "011": "组织机构代码",
    CITIZEN_ID: "居民身份证号码",
    "112": "临时居民身份证号码",
    "113": "户口簿号码",
    "114": "中国人民解放军军官证号码",
    "115": "中国人民武装警察部队警官证号码",
    "117": "出生医学证明编号",
    "154": "居住证号码",
    "335": "机动车驾驶证号码",
    "411": "外交护照号码",
    "412": "公务护照号码",
    "413": "公务普通护照号码",
    "414": "普通护照号码",
    "415": "旅行证号码",
    "420": "香港特别行政区护照号码",
    "421": "澳门特别行政区护照号码",
    "511": "台湾居民来往大陆通行证号码",
    "516": "港澳居民来往内地通行证号码",
    "553": "外国人永久居留身份证号码",
    "554": "外国人居留证号码",
    OTHER: "其他",
}

ALIASES: dict[str, str] = {
    "USCC": CREDIT_CODE,
    "统一社会信用代码": CREDIT_CODE,
    "社会信用代码": CREDIT_CODE,
    "组织机构代码": "011",
    "ID": CITIZEN_ID,
    "身份证": CITIZEN_ID,
    "居民身份证": CITIZEN_ID,
    "公民身份号码": CITIZEN_ID,
    "居民身份证号码": CITIZEN_ID,
    "户口簿": "113",
    "军官证": "114",
    "警官证": "115",
    "出生医学证明": "117",
    "居住证": "154",
    "护照": "414",
    "普通护照": "414",
    "台胞证": "511",
    "台湾居民来往大陆通行证": "511",
    "回乡证": "516",
    "港澳居民来往内地通行证": "516",
    "外国人永久居留身份证": "553",
    "外国人居留证": "554",
    "其他": OTHER,
}
"""What existing systems write instead of the number."""

ORGANISATION_TYPES = frozenset({CREDIT_CODE, "011"})

_PATTERNS = {
    "011": re.compile(r"[0-9A-Z]{8}-?[0-9X]", re.ASCII),
    "414": re.compile(r"[0-9A-Z]{5,17}", re.ASCII),
    "511": re.compile(r"[0-9]{8}|[0-9]{10}", re.ASCII),
    "516": re.compile(r"[HM][0-9]{8}(?:[0-9]{2})?", re.ASCII),
    "553": re.compile(r"[A-Z]{3}[0-9]{12}|9[0-9]{17}", re.ASCII),
}
_ANYTHING = re.compile(r"[0-9A-Z()\-/]{1,40}", re.ASCII)
MAX_NAME = 120


def code_type_of(text: str, field: str) -> str:
    """Return the annex-A number a text stands for; raises InvalidHolder."""
    code_type = ALIASES.get(text.strip(), text.strip())
    if code_type not in CODE_TYPES:
        raise InvalidHolder("持证主体代码类型不在 GB/T 36903 附录 A 中 / unknown holder code type.", field=field)
    return code_type


def normalise_code(code_type: str, unverified_code: str, field: str, *, today: date | None = None) -> str:
    """Return a holder code in its normal form after checking its rule; raises InvalidHolder.

    Nobody is born after `today`; None where a code is only looked up.
    """
    code = unverified_code.strip().upper()
    try:
        if code_type == CITIZEN_ID:
            return str(parse_citizen_id_number(code, today=today))
        if code_type == CREDIT_CODE:
            return str(parse_unified_social_credit_code(code))
    except InvalidInput as error:
        raise InvalidHolder(error.detail, field=field) from None
    if not _PATTERNS.get(code_type, _ANYTHING).fullmatch(code):
        raise InvalidHolder(f"{CODE_TYPES[code_type]}格式错误 / the code has the wrong form for its type.", field=field)
    return code


def check_holders(holders: Sequence[Holder], licence_type: LicenceType, today: date) -> tuple[Holder, ...]:
    """Return the holders normalised, each allowed by the type; raises InvalidHolder."""
    if not 1 <= len(holders) <= licence_type.max_holders:
        raise InvalidHolder(
            f"持证主体须有 1 至 {licence_type.max_holders} 个 / give 1 to {licence_type.max_holders} holders.",
            field="holders",
        )
    checked = tuple(_check(holder, position, licence_type, today) for position, holder in enumerate(holders))
    if len({(holder.code_type, holder.code) for holder in checked}) != len(checked):
        raise InvalidHolder("持证主体重复 / a holder is named twice.", field="holders")
    return checked


def _check(holder: Holder, position: int, licence_type: LicenceType, today: date) -> Holder:
    field = f"holders.{position}"
    code_type = code_type_of(holder.code_type, f"{field}.code_type")
    if code_type not in licence_type.holder_code_types:
        raise InvalidHolder("该证照类型不接受此代码类型 / not a code type of this licence.", field=f"{field}.code_type")
    kind = HolderKind.ORGANISATION if code_type in ORGANISATION_TYPES else HolderKind.PERSON
    if licence_type.holder_kind not in (HolderKind.ANY, kind) and code_type != OTHER:
        raise InvalidHolder("持证主体类别不符 / the wrong kind of holder.", field=f"{field}.code_type")
    name = check_text(holder.name, f"{field}.name", max_length=MAX_NAME)
    code = normalise_code(code_type, holder.code, f"{field}.code", today=today)
    return replace(holder, name=name, code_type=code_type, code=code)
