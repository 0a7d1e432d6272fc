"""A licence type as a value, its JSON form, and what makes a definition acceptable."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from foundation.errors import InvalidInput
from foundation.identity_numbers import parse_unified_social_credit_code
from licence_vault.errors import InvalidTypeDefinition
from licence_vault.holders import CODE_TYPES
from licence_vault.model import HolderKind
from licence_vault.schema import FaceSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY = "*"
POINTS_PER_MILLIMETRE = 72 / 25.4
VALIDITIES = ("long_term", "fixed", "either")
MAX_TEMPLATE, MAX_NAME = 60_000, 200
_TYPE_CODE = re.compile(r"[0-9A-Z]{18}[0-9]{3}", re.ASCII)
_FORBIDDEN_IN_TEMPLATES = re.compile(r"@(?:preview|local)|\b(?:read|plugin|eval|include|import)\b")
"""Templates are whole: nothing is loaded and no text becomes code. The worker's empty root enforces it again."""


@dataclass(frozen=True, slots=True)
class SharingRule:
    """A line of the sharing list: a department (or `*`) may read fields (or `*`) for matters (or `*`)."""

    organisation_code: str
    matters: tuple[str, ...]
    fields: tuple[str, ...]

    def covers(self, organisation_code: str, matter_code: str) -> bool:
        """Tell whether the rule lets a department read for a matter."""
        return self.organisation_code in (ANY, organisation_code) and bool({ANY, matter_code} & set(self.matters))


@dataclass(frozen=True, slots=True)
class SealBox:
    """Where the seal goes on the face: millimetres from the page's lower left corner."""

    x: float
    y: float
    size: float = 42.0
    page: int = 1


@dataclass(frozen=True, slots=True)
class LicenceType:
    """One version of a type.

    Attributes:
        code: the defining authority's credit code followed by three digits.
        holder_code_types: annex-A code types a holder may carry.
        validity: `long_term`, `fixed` or `either`; `max_years` bounds the fixed.
        schema: JSON Schema (2020-12) of the face data; `title` of a property is its Chinese name.
        template: Typst source, whole, with the base library in front.
        number_pattern: regular expression of the printed number; any when empty.
        sharing: who besides holder and issuer may read which fields for which matters.
    """

    code: str
    version: int
    name: str
    english_name: str
    category: str
    defining_authority: str
    issuer_level: str
    holder_kind: HolderKind
    holder_code_types: tuple[str, ...]
    max_holders: int
    validity: str
    max_years: int | None
    number_pattern: str
    schema: Mapping[str, Any]
    template: str
    seal: SealBox
    sharing: tuple[SharingRule, ...]

    @property
    def defining_authority_code(self) -> str:
        """Return the credit code in front of the type code."""
        return self.code[:18]

    def to_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return asdict(self)

    def published(self) -> dict[str, Any]:
        """Return what the public catalogue says of the type: all but how the face is drawn."""
        drawn = {"schema", "template", "seal"}
        told = {name: value for name, value in asdict(self).items() if name not in drawn}
        return told | {"face_schema": self.schema}

    def digest(self) -> bytes:
        """Return SHA-256 over the definition without its version."""
        definition = self.to_json()
        del definition["version"]
        return hashlib.sha256(json.dumps(definition, ensure_ascii=False, sort_keys=True).encode()).digest()


def type_from_json(definition: Mapping[str, Any]) -> LicenceType:
    """Return a type from its stored or seeded form; raises InvalidTypeDefinition naming what is missing."""
    known = {field.name for field in fields(LicenceType)}
    if set(definition) != known:
        odd = sorted(known.symmetric_difference(definition))
        raise InvalidTypeDefinition(f"Missing or unknown: {', '.join(odd)}.", field=odd[0])
    values = dict(definition)
    values["holder_kind"] = HolderKind(values["holder_kind"])
    values["holder_code_types"] = tuple(values["holder_code_types"])
    values["seal"] = SealBox(**values["seal"])
    values["sharing"] = tuple(
        SharingRule(rule["organisation_code"], tuple(rule["matters"]), tuple(rule["fields"]))
        for rule in values["sharing"]
    )
    return LicenceType(**values)


def check_type(licence_type: LicenceType) -> FaceSchema:
    """Check a definition and return its compiled schema; raises InvalidTypeDefinition."""
    if not _TYPE_CODE.fullmatch(licence_type.code):
        raise InvalidTypeDefinition("A type code has 18 characters of a credit code and 3 digits.", field="code")
    try:
        parse_unified_social_credit_code(licence_type.defining_authority_code)
    except InvalidInput as error:
        raise InvalidTypeDefinition(error.detail, field="code") from None
    if not licence_type.name.strip() or not licence_type.defining_authority.strip():
        raise InvalidTypeDefinition("Name and defining authority must not be empty.", field="name")
    if max(len(licence_type.name), len(licence_type.defining_authority)) > MAX_NAME:
        raise InvalidTypeDefinition(f"Name and defining authority have at most {MAX_NAME} characters.", field="name")
    if not licence_type.holder_code_types or not set(licence_type.holder_code_types) <= set(CODE_TYPES):
        raise InvalidTypeDefinition("Unknown holder code type.", field="holder_code_types")
    if licence_type.validity not in VALIDITIES or (licence_type.validity == "long_term") != (
        licence_type.max_years is None
    ):
        raise InvalidTypeDefinition("validity is long_term, or fixed/either with max_years.", field="validity")
    _check_template(licence_type.template)
    try:
        re.compile(licence_type.number_pattern)
    except re.error as error:
        raise InvalidTypeDefinition("number_pattern is no regular expression.", field="number_pattern") from error
    return FaceSchema(licence_type.schema)


def _check_template(template: str) -> None:
    if not 0 < len(template) <= MAX_TEMPLATE:
        raise InvalidTypeDefinition(f"A template has 1 to {MAX_TEMPLATE} characters.", field="template")
    found = _FORBIDDEN_IN_TEMPLATES.search(template)
    if found is not None:
        raise InvalidTypeDefinition(f"A template must not use “{found.group()}”.", field="template")
