"""Social security card 社会保障卡: name, ID number and the number on the card."""

from __future__ import annotations

import re
import unicodedata

from foundation.errors import InvalidInput
from idp.people.methods.base import MethodSpec, citizen_id_number, person_name
from idp.people.proof import Method

_CARD = re.compile(r"[A-Z0-9]{9,18}\Z")


def card_number(unverified: str) -> str:
    """Return the card's number: nine characters, or the cardholder's 18 on newer cards; raises InvalidInput."""
    number = re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", unverified)).upper()
    if not _CARD.match(number):
        raise InvalidInput("A social security card number has 9 to 18 letters and digits.")
    return number


SPEC = MethodSpec(
    Method.SOCIAL_SECURITY_CARD,
    {"name": person_name, "citizen_id_number": citizen_id_number, "card_number": card_number},
)
