"""The types that come with the package, and what makes a definition or its data unacceptable."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from foundation.errors import TrustServiceError
from foundation.identity_numbers import parse_unified_social_credit_code
from licence_vault.catalogue import seeded_types
from licence_vault.definitions import LicenceType, check_type, type_from_json
from licence_vault.errors import FaceTooLarge, InvalidFace, InvalidHolder, InvalidTypeDefinition
from licence_vault.holders import CODE_TYPES, check_holders, code_type_of, normalise_code
from licence_vault.model import Holder
from licence_vault.schema import FaceSchema
from licence_vault.texts import normalise_face
from tests.licence_vault.samples import ESTATE, FACES, FOOD, citizen, enterprise

TODAY = date(2026, 3, 2)

TYPES = {one.code: one for one in seeded_types()}
SCHEMA = FaceSchema(TYPES[FOOD].schema)


@pytest.mark.parametrize("code", sorted(TYPES))
def test_a_seeded_type_is_acceptable_and_survives_its_json_form(code: str) -> None:
    licence_type = TYPES[code]
    check_type(licence_type)
    parse_unified_social_credit_code(licence_type.defining_authority_code)
    stored = json.loads(json.dumps(licence_type.to_json()))
    assert type_from_json(stored) == replace(licence_type, schema=stored["schema"])
    assert type_from_json(stored).digest() == licence_type.digest()


def test_at_least_thirty_types_come_with_the_package() -> None:
    assert len(TYPES) >= 30
    assert len({one.name for one in TYPES.values()}) == len(TYPES)
    assert len({one.defining_authority for one in TYPES.values()}) >= 15


@pytest.mark.parametrize("code", sorted(FACES))
def test_a_good_face_passes(code: str) -> None:
    FaceSchema(TYPES[code].schema).check(FACES[code])


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"signed_by": None}, "face.signed_by", ("签发人缺少必填项", "signed_by is required")),
        ({"surprise": "x"}, "face", ("含未定义的字段",)),
        ({"signed_by": ""}, "face.signed_by", ("签发人至少 1 个字符",)),
        ({"signed_by": "张" * 41}, "face.signed_by", ("最多 40 个字符", "at most 40 characters")),
        ({"signed_by": 7}, "face.signed_by", ("类型应为 string",)),
        ({"business_items": []}, "face.business_items", ("至少 1 项",)),
        ({"business_items": ["面条", "面条"]}, "face.business_items", ("不得重复",)),
        ({"business_items": ["面条", "x" * 61]}, "face.business_items.1", ("最多 60 个字符",)),
        ({"main_business_format": "其他"}, "face.main_business_format", ("只能是:食品销售经营者",)),
        ({"complaint_telephone": "abc"}, "face.complaint_telephone", ("投诉举报电话格式不符合",)),
    ],
)
def test_a_bad_face_is_refused_by_field_and_rule(change: dict[str, Any], field: str, words: tuple[str, ...]) -> None:
    face = {name: value for name, value in {**FACES[FOOD], **change}.items() if value is not None}
    with pytest.raises(InvalidFace) as caught:
        SCHEMA.check(face)
    assert caught.value.field == field
    assert all(word in caught.value.detail for word in words)


def test_an_error_never_repeats_the_value() -> None:
    with pytest.raises(InvalidFace) as caught:
        SCHEMA.check(FACES[FOOD] | {"signed_by": "秘密" * 30})
    assert "秘密" not in caught.value.detail


def test_a_date_that_no_calendar_has_is_refused() -> None:
    business = TYPES["11100000MB0143028R001"]
    with pytest.raises(InvalidFace) as caught:
        FaceSchema(business.schema).check(FACES[business.code] | {"established_on": "2026-02-30"})
    assert caught.value.field == "face.established_on"


@pytest.mark.parametrize("character", ["\u202e", "\u200b", "\x00", "\ud800", "\u2028"])
def test_text_that_is_not_shown_as_written_is_refused(character: str) -> None:
    with pytest.raises(InvalidFace) as caught:
        normalise_face({"a": {"b": [f"陈{character}伟"]}})
    assert caught.value.field == "face.a.b.0"
    assert f"U+{ord(character):04X}" in caught.value.detail


@pytest.mark.parametrize(
    "face",
    [{"a": "x" * 70_000}, {"a": ["x"] * 3_000}, {"a": [[[[[[[["x"]]]]]]]]}],
    ids=["long", "wide", "deep"],
)
def test_an_oversized_face_is_refused(face: dict[str, Any]) -> None:
    with pytest.raises(FaceTooLarge):
        normalise_face(face)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": TYPES[FOOD].code[:-1]}, "code"),
        ({"code": "11100000MB0143028A031"}, "code"),
        ({"name": "证" * 201}, "name"),
        ({"defining_authority": "局" * 201}, "name"),
        ({"holder_code_types": ("111", "777")}, "holder_code_types"),
        ({"validity": "fixed", "max_years": None}, "validity"),
        ({"template": '#import "@preview/cetz:0.3.0"'}, "template"),
        ({"template": '#read("/etc/passwd")'}, "template"),
        ({"template": "x" * 70_000}, "template"),
        ({"number_pattern": "("}, "number_pattern"),
    ],
)
def test_a_bad_definition_is_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidTypeDefinition) as caught:
        check_type(replace(TYPES[FOOD], **change))
    assert caught.value.field == field


TEXT = {"title": "名", "type": "string", "maxLength": 5}


@pytest.mark.parametrize(
    "properties",
    [
        {"a": {"title": "甲", "$ref": "https://example.com/schema.json"}},
        {"a": {"title": "甲", "$ref": "file:///etc/passwd"}},
        {"a": {"title": "甲", "type": "string"}},
        {"a": {"title": "甲", "type": "array", "items": TEXT}},
        {"a": {"type": "string", "maxLength": 5}},
        {"a": {"title": "甲", "type": "object", "properties": {"b": TEXT}}},
        {"a": {"title": "甲", "type": "nonsense"}},
        {f"f{number}": TEXT for number in range(81)},
    ],
    ids=["remote", "file", "unbounded", "endless", "untitled", "open", "nonsense", "too-many"],
)
def test_an_unacceptable_schema_is_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(InvalidTypeDefinition):
        FaceSchema({"type": "object", "additionalProperties": False, "properties": properties})


def _holder(code_type: str, code: str, name: str = "陈伟") -> Holder:
    return Holder(name, code_type, code)


ESTATE_TYPE: LicenceType = TYPES[ESTATE]


@pytest.mark.parametrize(
    ("holder", "expected"),
    [
        (_holder("111", citizen().lower()), ("111", citizen())),
        (_holder("身份证", f" {citizen()} "), ("111", citizen())),
        (_holder("001", enterprise(), "演示公司"), ("001", enterprise())),
        (_holder("护照", "E12345678"), ("414", "E12345678")),
        (_holder("511", "01234567"), ("511", "01234567")),
        (_holder("516", "H1234567801"), ("516", "H1234567801")),
        (_holder("999", "A-1(2)/3"), ("999", "A-1(2)/3")),
    ],
)
def test_holder_codes_are_normalised(holder: Holder, expected: tuple[str, str]) -> None:
    checked = check_holders([holder], ESTATE_TYPE, TODAY)[0]
    assert (checked.code_type, checked.code) == expected


@pytest.mark.parametrize(
    ("holders", "field"),
    [
        ([], "holders"),
        ([_holder("111", citizen())] * 2, "holders"),
        ([_holder("111", citizen(number)) for number in range(100, 111)], "holders"),
        ([_holder("111", citizen()[:-1] + ("1" if citizen()[-1] != "1" else "2"))], "holders.0.code"),
        ([_holder("001", enterprise()[:-1] + ("A" if enterprise()[-1] != "A" else "B"))], "holders.0.code"),
        ([_holder("516", "X12345678")], "holders.0.code"),
        ([_holder("511", "123")], "holders.0.code"),
        ([_holder("999", "a b")], "holders.0.code"),
        ([_holder("123", "1")], "holders.0.code_type"),
        ([_holder("335", "123456")], "holders.0.code_type"),
        ([_holder("111", citizen(), " ")], "holders.0.name"),
        ([_holder("111", citizen(), "陈\u202e伟")], "holders.0.name"),
        ([_holder("111", citizen(), "陈" * 121)], "holders.0.name"),
    ],
)
def test_a_bad_holder_is_refused_by_field(holders: list[Holder], field: str) -> None:
    with pytest.raises(TrustServiceError) as caught:
        check_holders(holders, ESTATE_TYPE, TODAY)
    assert caught.value.field == field
    assert not any(holder.code in caught.value.detail for holder in holders)


def test_a_person_cannot_hold_a_business_licence() -> None:
    with pytest.raises(InvalidHolder):
        check_holders([_holder("111", citizen())], TYPES["11100000MB0143028R001"], TODAY)


@pytest.mark.parametrize("code_type", sorted(CODE_TYPES))
def test_every_code_type_knows_itself_and_refuses_an_empty_code(code_type: str) -> None:
    assert code_type_of(code_type, "holders.0.code_type") == code_type
    with pytest.raises(InvalidHolder):
        normalise_code(code_type, "", "holders.0.code")
