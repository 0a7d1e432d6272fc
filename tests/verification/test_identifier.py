from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verification.records import IDENTIFIER
from verification.identifier import ALPHABET, check_character, read_identifier

codes = st.text(ALPHABET, min_size=18, max_size=18)
serials = st.text(ALPHABET, min_size=1, max_size=20)


def test_the_standards_example_is_read() -> None:
    reading = read_identifier(IDENTIFIER)
    assert reading.parts is not None
    assert reading.parts.text == IDENTIFIER
    assert (reading.parts.issuer_code, reading.parts.version) == ("11430000006122244L", "001")


def test_every_change_of_one_character_is_refused() -> None:
    wrong = [
        IDENTIFIER[:place] + character + IDENTIFIER[place + 1 :]
        for place in range(len(IDENTIFIER))
        for character in ALPHABET + ".-/"
        if character != IDENTIFIER[place]
    ]
    assert [text for text in wrong if read_identifier(text).parts is not None] == []


@given(type_code=codes, number=st.integers(0, 999), issuer=codes, serial=serials, version=st.integers(0, 999))
def test_what_is_well_formed_is_read_back(type_code: str, number: int, issuer: str, serial: str, version: int) -> None:
    body = (f"{type_code}{number:03}", issuer, serial, f"{version:03}")
    check = check_character("".join(body))
    text = ".".join(("1.2.156.3005.2", *body, check))
    if issuer.isdigit():
        return
    parts = read_identifier(text).parts
    assert parts is not None
    assert parts.text == text


@given(st.text(max_size=300))
def test_nothing_typed_raises(text: str) -> None:
    reading = read_identifier(text)
    assert (reading.parts is None) == bool(reading.problems)


@pytest.mark.parametrize(
    "typed",
    [
        IDENTIFIER.lower(),
        f"  证照标识：{IDENTIFIER} ",
        IDENTIFIER.replace(".", "．"),
        IDENTIFIER.replace("1", "１"),
        IDENTIFIER.removeprefix("1.2.156.3005.2."),
        IDENTIFIER.replace(".001.", ".V1.00."),
    ],
)
def test_harmless_ways_of_writing_are_understood(typed: str) -> None:
    parts = read_identifier(typed).parts
    assert parts is not None
    assert parts.text == IDENTIFIER


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (IDENTIFIER.replace("3005", "3006"), "前缀"),
        (IDENTIFIER.replace("11430000006122244L", "430000"), "行政区划"),
        (IDENTIFIER.replace(".20230000403", ""), "五段"),
        (IDENTIFIER.replace(".001.", ".V1.50."), "版本号"),
        (IDENTIFIER[:-1] + "0", "校验位"),
        ("", "没有输入"),
        ("1" * 500, "过长"),
    ],
)
def test_what_is_wrong_is_explained(typed: str, words: str) -> None:
    reading = read_identifier(typed)
    assert reading.parts is None
    assert any(words in problem.zh for problem in reading.problems)
