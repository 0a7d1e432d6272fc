"""Synthetic people, enterprises and faces; every check digit is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from foundation.identity_numbers import citizen_id_check_character, complete_credit_code
from licence_vault.model import Holder, IssueRequest

FOOD = "11100000MB0143028R031"
BUSINESS = "11100000MB0143028R001"
ESTATE = "11100000MB03271699001"


def citizen(number: int = 123) -> str:
    """Return a synthetic ID number of 演示市."""
    first = f"50010119900307{number:03d}"
    return first + citizen_id_check_character(first)


def enterprise(number: int = 1) -> str:
    """Return a synthetic enterprise's credit code."""
    return complete_credit_code(f"91500101MA5{number:05d}")


ISSUER = complete_credit_code("11500101MB000001")
OTHER_ISSUER = complete_credit_code("11500101MB000002")
ISSUER_NAME = "演示市中心区市场监督管理局"
MATTER = "500101-food-licence"

FACES: dict[str, dict[str, Any]] = {
    FOOD: {
        "legal_representative": "陈伟",
        "residence": "演示市中心区人民路1号",
        "business_premises": "演示市中心区人民路1号附3号",
        "main_business_format": "餐饮服务经营者",
        "business_items": ["热食类食品制售", "自制饮品制售"],
        "supervision_authority": "演示市中心区人民路市场监督管理所",
        "signed_by": "张三",
    },
    BUSINESS: {
        "company_type": "有限责任公司(自然人独资)",
        "legal_representative": "陈伟",
        "business_scope": "许可项目:餐饮服务。一般项目:餐饮管理。",
        "registered_capital": "壹佰万元整",
        "established_on": "2020-03-05",
        "residence": "演示市中心区人民路1号",
    },
    ESTATE: {
        "co_ownership": "共同共有",
        "location": "演示市中心区滨江路88号3幢1201室",
        "unit_number": "500101001001GB00023F00030121",
        "right_type": "国有建设用地使用权/房屋所有权",
        "right_nature": "出让/市场化商品房",
        "use": "城镇住宅用地/成套住宅",
        "area": "房屋建筑面积 118.60㎡",
    },
}


def food_request(key: str = "case-1", **changes: Any) -> IssueRequest:  # noqa: ANN401 - any field of the request
    """Return a request that breaks no rule; `changes` replace fields."""
    request = IssueRequest(
        type_code=FOOD,
        issuer_code=ISSUER,
        holders=(Holder("陈伟", "111", citizen()),),
        face=dict(FACES[FOOD]),
        valid_from=date(2026, 3, 2),
        valid_to=date(2031, 3, 1),
        licence_number="JY25001010012345",
        idempotency_key=key,
    )
    return replace(request, **changes)


def with_face(request: IssueRequest, **fields: Any) -> IssueRequest:  # noqa: ANN401 - any JSON value
    """Return the request with face fields replaced, or removed where None."""
    face = {**request.face, **fields}
    return replace(request, face={name: value for name, value in face.items() if value is not None})
