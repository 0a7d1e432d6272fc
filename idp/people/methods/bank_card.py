"""Bank card 银联卡: name, ID number, card number and the mobile number left with the bank.

UnionPay locks a card after three errors in a row or ten requests a day, for everybody who asks.
"""

from __future__ import annotations

from foundation.errors import InvalidInput
from idp.people.methods.base import (
    AuthorityLimits,
    MethodSpec,
    citizen_id_number,
    digits,
    luhn_correct,
    mobile,
    person_name,
)
from idp.people.proof import Method

_digits = digits(13, 19, "A bank card number")


def card_number(unverified: str) -> str:
    """Return a card number with a right check digit; raises InvalidInput."""
    number = _digits(unverified)
    if not luhn_correct(number):
        raise InvalidInput("The card number is mistyped: its check digit does not fit.")
    return number


SPEC = MethodSpec(
    Method.BANK_CARD,
    {"name": person_name, "citizen_id_number": citizen_id_number, "card_number": card_number, "mobile": mobile},
    counted="card_number",
    limits=AuthorityLimits(wrong_in_row=3, requests_a_day=10),
)
