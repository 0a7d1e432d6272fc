"""100,000 numbers of each kind, random and mutated, against a computation that shares no line with ours.

Theirs: a check character by the recursion of ISO 7064 instead of weights, dates from a list of
all days that there were, credit codes by Horner's rule from the right instead of powers of three.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from foundation.identity_numbers import parse_citizen_id_number, parse_unified_social_credit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NUMBERS = 100_000
SEED = 11643
TODAY = date(2026, 3, 2)
FIRST_DAY = date(1870, 1, 1)
DAYS = [f"{FIRST_DAY + timedelta(days=day):%Y%m%d}" for day in range((TODAY - FIRST_DAY).days + 1)]
DAYS_THERE_WERE = frozenset(DAYS)
# The provincial codes of GB/T 2260, and 81 to 83 of the residence permits.
RANGES = ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83))
PLACES = [f"{place}" for first, last in RANGES for place in range(first, last + 1)]
LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
VALUES = {letter: value for value, letter in enumerate(LETTERS)}
ORGANISATION_VALUES = {letter: int(letter, 36) for letter in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def their_citizen_check(first: str) -> str:
    remainder = 0
    for digit in first:
        remainder = (remainder + int(digit)) * 2 % 11
    return "0123456789X"[(12 - remainder) % 11]


def they_accept_citizen(number: str) -> bool:
    first, last = number[:17], number[17:]
    return (
        len(number) == 18
        and first.isascii()
        and first.isdigit()
        and number[:2] in PLACES
        and number[6:14] in DAYS_THERE_WERE
        and their_citizen_check(first) == last
    )


def their_organisation_check(first: str) -> str:
    digits = [ORGANISATION_VALUES[letter] for letter in first]
    total = sum(value * weight for value, weight in zip(digits, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    return {10: "X"}.get(-total % 11, str(-total % 11))


def their_credit_check(first: str) -> str:
    total = 0
    for letter in reversed(first):
        total = (total * 3 + VALUES[letter]) % 31
    return LETTERS[(31 - total) % 31]


def they_accept_credit_code(code: str) -> bool:
    return (
        len(code) == 18
        and all(letter in VALUES for letter in code)
        and code[0] in "123456789ANY"
        and code[2:8].isdigit()
        and their_organisation_check(code[8:16]) == code[16]
        and their_credit_check(code[:17]) == code[17]
    )


def some_citizens(random: Random, count: int) -> Iterator[str]:
    places, days = random.choices(PLACES, k=count), random.choices(DAYS, k=count)
    for place, day in zip(places, days, strict=True):
        digits = f"{int(random.random() * 10_000_000):07d}"
        first = place + digits[:4] + day + digits[4:]
        yield first + their_citizen_check(first)


def some_credit_codes(random: Random, count: int) -> Iterator[str]:
    authorities, categories = random.choices("123456789ANY", k=count), random.choices("1239", k=count)
    for authority, category in zip(authorities, categories, strict=True):
        body = "".join(random.choices(LETTERS, k=8))
        first = f"{authority}{category}{int(random.random() * 1_000_000):06d}{body}{their_organisation_check(body)}"
        yield first + their_credit_check(first)


def mutated(random: Random, text: str, alphabet: str) -> str:
    """Return the text with one thing wrong, or by chance still right."""
    place = int(random.random() * (len(text) - 1))
    match int(random.random() * 6):
        case 0:
            return text[:place] + random.choice(alphabet) + text[place + 1 :]
        case 1:
            return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        case 2:
            return text[:place] + text[place + 1 :] + (text[place] if random.random() < 0.5 else "")
        case 3:
            return text[:place] + random.choice(alphabet) + text[place:]
        case 4:
            return "".join(random.choices(alphabet, k=random.choice((15, 17, 18, 18, 18, 19))))
        case _:
            other = random.randrange(len(text))
            letters = list(text)
            letters[place], letters[other] = random.choice(alphabet), random.choice(alphabet)
            return "".join(letters)


def accepts(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except InvalidInput:
        return False
    return True


def citizen_today(text: str) -> object:
    return parse_citizen_id_number(text, today=TODAY)


def test_citizen_numbers_agree_with_an_independent_computation() -> None:
    random, right = Random(SEED), 0  # noqa: S311 - test data, the same in every run
    for turn, made in enumerate(some_citizens(random, NUMBERS)):
        number = made
        if turn % 2:
            # With another date and its own check character, only the calendar can tell.
            number = mutated(random, number, "0123456789X") if turn % 4 == 1 else _other_date(random, number)
        expected = they_accept_citizen(number)
        right += expected
        assert accepts(citizen_today, number) is expected, number
    assert NUMBERS // 2 < right < NUMBERS * 3 // 4


def _other_date(random: Random, number: str) -> str:
    year, month, day = (int(random.random() * count) for count in (190, 14, 33))
    first = f"{number[:6]}{1850 + year}{month:02d}{day:02d}{number[14:17]}"
    return first + their_citizen_check(first)


def test_credit_codes_agree_with_an_independent_computation() -> None:
    random, right = Random(SEED), 0  # noqa: S311 - test data, the same in every run
    for turn, made in enumerate(some_credit_codes(random, NUMBERS)):
        code = made
        if turn % 2:
            code = mutated(random, code, LETTERS + "IOSVZ")
        expected = they_accept_credit_code(code)
        right += expected
        assert accepts(parse_unified_social_credit_code, code) is expected, code
    assert NUMBERS // 2 <= right < NUMBERS * 3 // 5


def test_every_single_error_and_every_swap_of_neighbours_in_an_id_number_is_caught() -> None:
    random = Random(SEED)  # noqa: S311 - test data, the same in every run
    for number in ("11010519491231002X", *some_citizens(random, 150)):
        wrong = {
            number[:place] + letter + number[place + 1 :]
            for place in range(18)
            for letter in "0123456789X"
            if letter != number[place]
        }
        wrong |= {
            number[:place] + number[place + 1] + number[place] + number[place + 2 :]
            for place in range(17)
            if number[place] != number[place + 1]
        }
        assert not [text for text in wrong if accepts(parse_citizen_id_number, text)]
