"""Every rule of GB 11643 and GB 32100, and every single wrong character."""

from __future__ import annotations

from datetime import date

import pytest

from foundation.errors import InvalidInput
from foundation.identity_numbers import (
    CREDIT_CODE_ALPHABET,
    Sex,
    citizen_id_check_character,
    complete_credit_code,
    parse_citizen_id_number,
    parse_unified_social_credit_code,
)

# Synthetic; the first is the worked example of GB 11643-1999 annex.
CITIZENS = ("11010519491231002X", "500101199003078519", "810000199408230021", "830000200002290016")
# The two of the identifier example in DESIGN, and synthetic ones of each kind of authority.
CREDIT_CODES = (
    "11100000000013338W",
    "11430000006122244L",
    *(complete_credit_code(authority + "15001010000001" + last) for authority in "123456789ANY" for last in "17"),
)


def citizen(first_seventeen: str) -> str:
    return first_seventeen + citizen_id_check_character(first_seventeen)


@pytest.mark.parametrize("first", ["50010119900307851", "81000019940823002", "83000020000229001"])
def test_completed_numbers_parse(first: str) -> None:
    parse_citizen_id_number(citizen(first))


def test_what_a_number_says() -> None:
    number = parse_citizen_id_number(" 11010519491231002x ")
    assert (str(number), number.birth_date, number.sex) == ("11010519491231002X", date(1949, 12, 31), Sex.FEMALE)
    assert number.district_code == "110105"


def test_a_number_does_not_show_itself_in_logs() -> None:
    assert repr(parse_citizen_id_number("11010519491231002X")) == "CitizenIdNumber(110*************2X)"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "17 digits"),
        ("5001011990030785", "17 digits"),
        ("50010119900307851" * 9, "17 digits"),
        ("５００１０１１９９００３０７８５１９", "17 digits"),
        (citizen("99010119900307851"), "no province"),
        (citizen("50010119900230851"), "date of birth"),
        (citizen("50010119010229851"), "date of birth"),
        (citizen("50010118000101851"), "date of birth"),
        (citizen("50010100000101851"), "date of birth"),
    ],
)
def test_the_error_names_the_rule_and_not_the_number(text: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule) as caught:
        parse_citizen_id_number(text, field="holder.number")
    assert caught.value.field == "holder.number"
    assert not text or text not in caught.value.detail


def test_nobody_is_born_tomorrow() -> None:
    number, birth_date = citizen("50010120260302851"), date(2026, 3, 2)
    assert parse_citizen_id_number(number, today=birth_date).birth_date == birth_date
    with pytest.raises(InvalidInput, match="date of birth"):
        parse_citizen_id_number(number, today=date(2026, 3, 1))


@pytest.mark.parametrize("code", CREDIT_CODES)
def test_good_credit_codes(code: str) -> None:
    assert str(parse_unified_social_credit_code(f" {code.lower()} ")) == code


@pytest.mark.parametrize("code", CREDIT_CODES[:4])
def test_every_single_wrong_character_of_a_credit_code_is_refused(code: str) -> None:
    for place, right in enumerate(code):
        for wrong in {*CREDIT_CODE_ALPHABET, *"IOSVZ"} - {right}:
            with pytest.raises(InvalidInput):
                parse_unified_social_credit_code(code[:place] + wrong + code[place + 1 :])
    for place in range(17):
        if code[place] != code[place + 1]:
            with pytest.raises(InvalidInput):
                parse_unified_social_credit_code(code[:place] + code[place + 1] + code[place] + code[place + 2 :])


def test_an_unknown_registering_authority_is_refused_although_the_checks_fit() -> None:
    with pytest.raises(InvalidInput, match="registering authority"):
        parse_unified_social_credit_code(complete_credit_code("B1500101" + "00000011"))


def test_the_embedded_organisation_code_has_its_own_check() -> None:
    from foundation.identity_numbers import credit_code_check_character  # noqa: PLC0415

    good = CREDIT_CODES[0]
    wrong_inside = good[:16] + ("0" if good[16] != "0" else "1")
    with pytest.raises(InvalidInput, match="organisation code"):
        parse_unified_social_credit_code(wrong_inside + credit_code_check_character(wrong_inside))
