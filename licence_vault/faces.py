"""What a face is made of: GB/T 36903 metadata and the values a template receives. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from licence_vault.holders import CODE_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from licence_vault.definitions import LicenceType
    from licence_vault.model import Holder
    from licence_vault.qr import Symbol

METADATA_FILE = "licence-metadata.json"
LONG_TERM = "长期"
SEPARATOR = "^"
"""Between the holders of one licence in the fields about them."""


@dataclass(frozen=True, slots=True)
class FaceFacts:
    """Everything a face shows, checked and normalised."""

    identifier: str
    licence_number: str
    issuer_code: str
    issuer_name: str
    holders: tuple[Holder, ...]
    face: Mapping[str, Any]
    issued_on: date
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What makes a purpose-bound copy (加注件): when, for whom, for what, until when."""

    made_on: str
    made_for: str
    purpose: str
    valid_until: str


def metadata(licence_type: LicenceType, facts: FaceFacts, copy: CopyFacts | None = None) -> dict[str, str]:
    """Return the GB/T 36903 short names and texts, in the standard's order."""
    holders = facts.holders
    values = {
        "ZZMC": licence_type.name,
        "ZZLXDM": licence_type.code,
        "ZZBH": facts.licence_number,
        "ZZBS": facts.identifier,
        "ZZBFJG": facts.issuer_name,
        "ZZBFJGDM": facts.issuer_code,
        "ZZBFRQ": facts.issued_on.isoformat(),
        "CZZT": SEPARATOR.join(holder.name for holder in holders),
        "CZZTDM": SEPARATOR.join(holder.code for holder in holders),
        "CZZTDMLX": SEPARATOR.join(CODE_TYPES[holder.code_type] for holder in holders),
        "CZZTDMLXDM": SEPARATOR.join(holder.code_type for holder in holders),
        "ZZYXQQSRQ": facts.valid_from.isoformat(),
        "ZZYXQJZRQ": LONG_TERM if facts.valid_to is None else facts.valid_to.isoformat(),
    }
    values |= {f"KZ_{name}": text(value) for name, value in facts.face.items()}
    if copy is not None:
        values |= {
            "JZJZZSJ": copy.made_on,
            "JZJZZZ": copy.made_for,
            "JZJZZSY": copy.purpose,
            "JZJYXQJZSJ": copy.valid_until,
        }
    return values


def text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a face value as one text: lists with `;`, objects as `name=value`, whole floats without point."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return ";".join(text(inner) for inner in value)
    if isinstance(value, dict):
        return ",".join(f"{name}={text(inner)}" for name, inner in value.items())
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def template_values(
    licence_type: LicenceType, facts: FaceFacts, *, qr: Symbol, metadata_json: str, copy: CopyFacts | None = None
) -> dict[str, Any]:
    """Return what a template reads as `licence`; dates are year, month, day."""
    return {
        "type_name": licence_type.name,
        "type_code": licence_type.code,
        "english_name": licence_type.english_name,
        "defining_authority": licence_type.defining_authority,
        "identifier": facts.identifier,
        "number": facts.licence_number,
        "issuer_name": facts.issuer_name,
        "holders": [
            {"name": holder.name, "code": holder.code, "code_type": CODE_TYPES[holder.code_type]}
            for holder in facts.holders
        ],
        "face": facts.face,
        "fields": [[name, field["title"]] for name, field in licence_type.schema["properties"].items()],
        "issued_on": _parts(facts.issued_on),
        "valid_from": _parts(facts.valid_from),
        "valid_to": None if facts.valid_to is None else _parts(facts.valid_to),
        "qr": {"side": qr.side, "modules": list(qr.modules)},
        "metadata": metadata_json,
        "metadata_file": METADATA_FILE,
        "seal": {"x": licence_type.seal.x, "y": licence_type.seal.y, "size": licence_type.seal.size},
        "copy": None
        if copy is None
        else {
            "made_on": copy.made_on,
            "made_for": copy.made_for,
            "purpose": copy.purpose,
            "valid_until": copy.valid_until,
        },
    }


def _parts(day: date) -> list[int]:
    return [day.year, day.month, day.day]
