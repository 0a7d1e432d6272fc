"""Whether the dates of a licence fit its type. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput

if TYPE_CHECKING:
    from licence_vault.definitions import LicenceType

EARLIEST = date(1949, 10, 1)
FURTHEST_START = timedelta(days=366)


def check_validity(
    licence_type: LicenceType, valid_from: date, valid_to: date | None, issued_on: date, today: date
) -> None:
    """Raise InvalidInput naming the date that breaks a rule of the type."""
    if not EARLIEST <= issued_on <= today:
        raise InvalidInput("颁发日期不得晚于今天 / the date of issue lies in the future.", field="issued_on")
    if not EARLIEST <= valid_from <= issued_on + FURTHEST_START:
        raise InvalidInput("有效期起始日期不合理 / the first day of validity is out of range.", field="valid_from")
    if valid_to is None:
        if licence_type.validity == "fixed":
            raise InvalidInput("该证照须有有效期截止日期 / the type needs a last day.", field="valid_to")
        return
    if licence_type.validity == "long_term":
        raise InvalidInput("该证照长期有效 / the type is long-term and takes no last day.", field="valid_to")
    if valid_to < valid_from:
        raise InvalidInput("截止日期早于起始日期 / the last day lies before the first.", field="valid_to")
    if licence_type.max_years is not None and valid_to >= _years_after(valid_from, licence_type.max_years):
        raise InvalidInput(
            f"有效期不得超过 {licence_type.max_years} 年 / at most {licence_type.max_years} years.", field="valid_to"
        )


def _years_after(day: date, years: int) -> date:
    """Return the first day that is `years` years past a period beginning on `day`; one spare day is allowed."""
    year = min(day.year + years, date.max.year - 1)
    anniversary = date(year, 3, 1) if (day.month, day.day) == (2, 29) else day.replace(year=year)
    return anniversary + timedelta(days=1)
