"""What the exchange of tokens needs to know of a mandate. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from foundation.principal import PrincipalKind

ANY = "*"


@dataclass(frozen=True, slots=True)
class Delegation:
    """A mandate in force, seen from its agent's account.

    `subject_id` is the account, or the enterprise, that is acted for (the person where there is no
    account); `earlier` are those who passed the mandate on, the nearest first, as `account:…`.
    """

    mandate_id: str
    subject_kind: PrincipalKind
    subject_id: str
    earlier: tuple[str, ...]
    matters: tuple[str, ...]
    fields: tuple[str, ...]
    valid_until: datetime

    def covers(self, detail: Mapping[str, Any]) -> bool:
        """Tell whether matter and fields of one licence access lie within the mandate; its type is asked at the use."""
        matter = ANY in self.matters or detail["matter_code"] in self.matters
        return matter and (ANY in self.fields or set(detail["fields"]) <= set(self.fields))
