"""Reading the numbers of identity documents, by kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from foundation.identity_numbers import citizen_id_check_character, is_birth_date, parse_citizen_id_number
from idp.people.account import DocumentType

if TYPE_CHECKING:
    from datetime import date

_FORMS = {
    DocumentType.PASSPORT: re.compile(r"[A-Z0-9]{6,12}\Z"),
    # 港澳居民来往内地通行证: H or M and eight digits, two more on older ones.
    DocumentType.HK_MACAO_PERMIT: re.compile(r"[HM][0-9]{8}(?:[0-9]{2})?\Z"),
    # 台湾居民来往大陆通行证: eight digits.
    DocumentType.TAIWAN_PERMIT: re.compile(r"[0-9]{8}\Z"),
    # 外国人永久居留身份证: the card of 2017 has a country, a place of four digits, YYMMDD and two more;
    # that of 2023 an 18-digit number beginning with 9, built and checked like a citizen's.
    DocumentType.FOREIGNER_RESIDENCE: re.compile(r"(?:[A-Z]{3}[0-9]{12}|9[0-9]{16}[0-9X])\Z"),
}

_OLD_CARD = 15
_RESIDENCE_PREFIXES = ("81", "82", "83")


def read_document(unverified_type: str, unverified_number: str, today: date) -> tuple[DocumentType, str]:
    """Return kind and normalised number; raises InvalidInput naming `document_type` or `document_number`.

    A residence permit for people from Hong Kong, Macau and Taiwan carries a citizen-style number
    that begins with 81, 82 or 83.
    """
    try:
        document_type = DocumentType(unverified_type)
    except ValueError:
        raise InvalidInput("The document is one of " + ", ".join(DocumentType) + ".", field="document_type") from None
    number = re.sub(r"\s", "", unverified_number).upper()
    if document_type in {DocumentType.ID_CARD, DocumentType.HK_MACAO_TAIWAN_RESIDENCE}:
        number = str(parse_citizen_id_number(number, field="document_number", today=today))
        residence = number.startswith(_RESIDENCE_PREFIXES)
        if residence is not (document_type is DocumentType.HK_MACAO_TAIWAN_RESIDENCE):
            raise InvalidInput("The number belongs to another kind of document.", field="document_number")
        return document_type, number
    foreigner = document_type is DocumentType.FOREIGNER_RESIDENCE
    if not _FORMS[document_type].match(number) or (foreigner and not _foreigner_number(number, today)):
        raise InvalidInput("The number does not have the form of this document.", field="document_number")
    return document_type, number


def _foreigner_number(number: str, today: date) -> bool:
    """Tell whether the date of birth inside is one, and on the newer card the check character fits."""
    if len(number) == _OLD_CARD:
        # Two digits of a year name either century; only month and day can be wrong.
        return any(is_birth_date(century + number[7:13], today) for century in ("19", "20"))
    return is_birth_date(number[6:14], today) and citizen_id_check_character(number[:17]) == number[17]
