"""Queries: what may be asked, what answers them, what they never let through."""

from __future__ import annotations

from typing import Any

import pytest

from foundation.errors import InvalidInput, NotPermitted
from tests.support.wallet import VCT
from tests.verification.presentation.support import CLAIMS, asking
from verification.presentation.credential import told
from verification.presentation.dcql import Pointer, read_query, require_permitted, select

DEGREES = {"degrees": [{"type": "Bachelor"}, {"type": "Master", "year": 2020}], "nationalities": ["CN", "DE"]}


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        (("degrees", None, "type"), ["Bachelor", "Master"]),
        (("degrees", 1, "year"), [2020]),
        (("degrees", None, "year"), [2020]),
        (("nationalities", 0), ["CN"]),
        (("nationalities", 9), []),
        (("nationalities", "0"), []),
        (("degrees", "type"), []),
        (("missing",), []),
        (("nationalities", None), ["CN", "DE"]),
    ],
)
def test_a_pointer_selects_what_the_standard_says(pointer: Pointer, found: list[Any]) -> None:
    assert select(pointer, DEGREES) == found


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": "mso_mdoc"}, "format"),
        ({"meta": {}}, "meta"),
        ({"meta": {"vct_values": []}}, "vct_values"),
        ({"id": "a b"}, "id"),
        ({"claims": []}, "claims"),
        ({"claims": [{"path": []}]}, "path"),
        ({"claims": [{"path": [None]}]}, "path"),
        ({"claims": [{"path": ["a", -1]}]}, "path"),
        ({"claims": [{"path": ["a", True]}]}, "path"),
        ({"claims": [{"path": ["a"], "values": [{}]}]}, "values"),
        ({"claims": [{"path": ["a"]}, {"path": ["a"]}]}, "claims"),
        ({"claim_sets": [["a"]]}, "claims"),
        ({"require_cryptographic_holder_binding": False}, "holder_binding"),
        ({"trusted_authorities": [{"type": "etsi_tl", "values": ["x"]}]}, "trusted_authorities"),
        ({"multiple": "yes"}, "multiple"),
        ({"intent_to_retain": True}, "credentials"),
    ],
)
def test_a_query_that_breaks_a_rule_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    credential = {**asking().document["credentials"][0], **changes}
    with pytest.raises(InvalidInput) as refused:
        read_query({"credentials": [credential]})
    assert field in (refused.value.field or "")


@pytest.mark.parametrize("value", [None, [], {}, {"credentials": []}, {"credentials": [1]}, {"credentials": {}}])
def test_what_is_no_query_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        read_query(value)


def test_ids_are_unique_and_known() -> None:
    one = asking().document["credentials"][0]
    for broken in (
        {"credentials": [one, one]},
        {"credentials": [one], "credential_sets": [{"options": [["another"]]}]},
    ):
        with pytest.raises(InvalidInput):
            read_query(broken)


@pytest.mark.parametrize(
    ("claims", "answered"),
    [
        ([{"path": ["name"]}], True),
        ([{"path": ["name"], "values": ["陈伟", "王芳"]}], True),
        ([{"path": ["name"], "values": ["王芳"]}], False),
        ([{"path": ["address", "city"]}], True),
        ([{"path": ["address", "street"]}], False),
        ([{"path": ["flag"], "values": [True]}], False),
    ],
)
def test_claims_answer_by_type_and_value(claims: list[dict[str, Any]], *, answered: bool) -> None:
    (query,) = asking(claims=claims).credentials
    assert query.answered_by({**CLAIMS, "flag": 1}) is answered


def test_one_of_the_claim_sets_suffices() -> None:
    claims = [{"id": "n", "path": ["name"]}, {"id": "b", "path": ["birthdate"]}, {"id": "x", "path": ["none"]}]
    (query,) = asking(claims=claims, claim_sets=[["n", "x"], ["b"]]).credentials
    assert query.answered_by({"birthdate": "1990-03-07"})
    assert not query.answered_by({"name": "陈伟"})


def test_required_sets_need_one_option_and_optional_ones_nothing() -> None:
    credentials = [{**asking().document["credentials"][0], "id": name} for name in ("a", "b", "c")]
    sets = [{"options": [["a"], ["b", "c"]]}, {"options": [["c"]], "required": False}]
    query = read_query({"credentials": credentials, "credential_sets": sets})
    assert [query.satisfied_by(answered) for answered in (["a"], ["b", "c"], ["b"], ["c"], [])] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert not read_query({"credentials": credentials}).satisfied_by(["a", "b"])


@pytest.mark.parametrize(
    ("allowed", "asked", "passes"),
    [
        (("name",), ["name"], True),
        (("address",), ["address", "city"], True),
        (("address", "city"), ["address"], False),
        (("degrees", None, "type"), ["degrees", 0, "type"], True),
        (("degrees", 0), ["degrees", None], False),
        (("name",), ["birthdate"], False),
    ],
)
def test_only_registered_claims_may_be_asked_for(allowed: Pointer, asked: list[Any], *, passes: bool) -> None:
    query = asking(claims=[{"path": asked}])
    if passes:
        require_permitted(query, {VCT: [allowed]})
    else:
        with pytest.raises(NotPermitted):
            require_permitted(query, {VCT: [allowed]})
    with pytest.raises(NotPermitted):
        require_permitted(query, {"https://credentials.example/other": [allowed]})


def test_nothing_is_told_that_was_not_asked_for() -> None:
    claims = [{"path": ["degrees", None, "type"]}, {"path": ["nationalities", 1]}]
    (query,) = asking(claims=claims).credentials
    assert told({**DEGREES, "sub": "urn:person:1"}, query) == {
        "degrees": [{"type": "Bachelor"}, {"type": "Master"}],
        "nationalities": ["DE"],
    }
