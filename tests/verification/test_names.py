"""Names are compared as RFC 5280 wants, however quickly."""

from __future__ import annotations

import pytest
from asn1crypto import x509

import verification.pdf.names  # noqa: F401 - what is tested is what it does to asn1crypto


def name(*sets: tuple[tuple[str, str], ...]) -> x509.Name:
    """Return a name as it is read from a certificate."""
    rdns = [
        x509.RelativeDistinguishedName(
            [
                x509.NameTypeAndValue({"type": kind, "value": x509.DirectoryString("utf8_string", text)})
                for kind, text in pairs
            ]
        )
        for pairs in sets
    ]
    return x509.Name.load(x509.Name(name="", value=x509.RDNSequence(rdns)).dump())


def common(text: str) -> x509.Name:
    """Return a name of one part."""
    return name((("common_name", text),))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(common("Food Bureau"), common("food  BUREAU "), id="case-and-spaces"),
        pytest.param(common("\uff21"), common("a"), id="full-width"),
        pytest.param(
            name((("common_name", "a"), ("surname", "b"))), name((("surname", "b"), ("common_name", "a"))), id="a-set"
        ),
    ],
)
def test_what_is_written_differently_is_one_name(one: x509.Name, other: x509.Name) -> None:
    """Case, spaces, width and the order within a set do not tell names apart."""
    assert one == other
    assert one.hashable == other.hashable


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(common("a"), common("b"), id="text"),
        pytest.param(common("a"), name((("surname", "a"),)), id="kind"),
        pytest.param(
            name((("common_name", "a"),)), name((("common_name", "a"),), (("common_name", "a"),)), id="length"
        ),
        pytest.param(
            name((("common_name", "a"),)), name((("common_name", "b"), ("common_name", "a"))), id="twice-in-a-set"
        ),
    ],
)
def test_other_names_stay_apart(one: x509.Name, other: x509.Name) -> None:
    """What asn1crypto tells apart is told apart, also where the prepared texts are the same."""
    assert one != other
    assert other != one


@pytest.mark.parametrize("text", ["\ue000", "\ufffd", "\u05d0a"], ids=["private", "replacement", "two-directions"])
def test_what_may_not_stand_in_a_name_is_refused_each_time(text: str) -> None:
    """A name is not equal to itself by its bytes alone: its texts have to be acceptable."""
    wrong = common(text)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"X\.509 Name"):
            _ = wrong.hashable
        with pytest.raises(ValueError, match=r"X\.509 Name"):
            _ = wrong == common(text)
