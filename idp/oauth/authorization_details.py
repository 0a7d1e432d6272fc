"""Authorization details (RAR, RFC 9396): one act a token, bound to one licence or one document. Pure.

A request names one element, never several, so that the question put to the person is one
question, and the token that comes of it opens one thing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

LICENCE_ACCESS = "licence_access"
DOCUMENT_SIGNATURE = "document_signature"
DETAIL_TYPES = (LICENCE_ACCESS, DOCUMENT_SIGNATURE)
ONCE, PERIOD = "once", "period"
MAX_DETAILS = 2_048
MAX_FIELDS = 50
MAX_TEXT = 100
LONGEST_PERIOD = timedelta(days=30)
_IDENTIFIER = re.compile(r"[0-9A-Za-z.]{10,120}")
_CODE = re.compile(r"[^\s\x00-\x1f]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BadDetails(Exception):
    """The authorization details break a rule; the message is safe to tell."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One member of a type: whether it is needed, and what it must be."""

    needed: bool
    holds: Callable[[object], bool]


def parse_details(unverified: str, now: datetime, allowed: Collection[str]) -> list[dict[str, Any]]:
    """Return the one checked element, in a list as the standard has it; raises BadDetails.

    Args:
        unverified: the parameter, JSON text.
        now: a period must end after it, within a month.
        allowed: the types the client is registered for.
    """
    try:
        parsed = json.loads(unverified) if len(unverified.encode(errors="replace")) <= MAX_DETAILS else None
    except (ValueError, RecursionError) as error:
        raise BadDetails("The authorization_details are not JSON.") from error
    if not isinstance(parsed, list) or len(parsed) != 1 or not isinstance(parsed[0], dict):
        raise BadDetails("The authorization_details must be an array of exactly one object.")
    detail: dict[str, Any] = parsed[0]
    kind = detail.get("type")
    if not isinstance(kind, str) or kind not in DETAIL_TYPES:
        raise BadDetails("The type of the authorization_details is not supported.")
    if kind not in allowed:
        raise BadDetails("The client is not registered for this type of authorization_details.")
    _check_members(detail, RULES[kind])
    if kind == LICENCE_ACCESS:
        _check_period(detail, now)
        detail.setdefault("use", ONCE)
    return [detail]


def same_details(unverified: str, granted: list[dict[str, Any]] | None) -> bool:
    """Tell whether a token request repeats the details that were granted; `use` may be left out."""
    try:
        asked = json.loads(unverified) if len(unverified) <= MAX_DETAILS else None
    except (ValueError, RecursionError):
        return False
    if granted is None or not isinstance(asked, list) or len(asked) != 1 or not isinstance(asked[0], dict):
        return False
    return {**granted[0], **asked[0]} == granted[0] and asked[0].keys() | {"use"} >= granted[0].keys()


def usable(detail: Mapping[str, Any], used_at: datetime | None, now: datetime) -> bool:
    """Tell whether the act may be done now: once, or as often as wanted until the period ends."""
    if detail.get("use") == PERIOD:
        return now < datetime.fromisoformat(detail["valid_until"])
    return used_at is None


def _check_members(detail: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    unknown = detail.keys() - rules.keys() - {"type"}
    if unknown:
        raise BadDetails("The authorization_details hold a member that this type does not have.")
    for name, rule in rules.items():
        if name not in detail and rule.needed:
            raise BadDetails(f"The authorization_details need {name}.")
        if name in detail and not rule.holds(detail[name]):
            raise BadDetails(f"The {name} of the authorization_details is malformed.")


def _check_period(detail: Mapping[str, Any], now: datetime) -> None:
    if (detail.get("use", ONCE) == PERIOD) != ("valid_until" in detail):
        raise BadDetails("A period needs valid_until, and nothing else has one.")
    if "valid_until" in detail and not now < datetime.fromisoformat(detail["valid_until"]) <= now + LONGEST_PERIOD:
        raise BadDetails("The period must end in the future, within 30 days.")


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()


def _is_fields(value: object) -> bool:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_FIELDS:
        return False
    texts = [item for item in value if isinstance(item, str) and _CODE.fullmatch(item) and item != "*"]
    return len(texts) == len(value) == len(set(texts))


def _is_moment(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


RULES: Mapping[str, Mapping[str, Rule]] = {
    LICENCE_ACCESS: {
        "licence_identifier": Rule(needed=True, holds=_matches(_IDENTIFIER)),
        "fields": Rule(needed=True, holds=_is_fields),
        "matter_code": Rule(needed=True, holds=_matches(_CODE)),
        "purpose": Rule(needed=False, holds=_is_text),
        "use": Rule(needed=False, holds=lambda value: value in (ONCE, PERIOD)),
        "valid_until": Rule(needed=False, holds=_is_moment),
    },
    DOCUMENT_SIGNATURE: {
        "document_sha256": Rule(needed=True, holds=_matches(_DIGEST)),
        "document_name": Rule(needed=True, holds=_is_text),
    },
}
