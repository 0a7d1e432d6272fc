"""What an officer is, and what may be granted to one (授信)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Authority(StrEnum):
    """What an officer may be granted (授信), by district and matter."""

    REMOTE_ACCEPTANCE = "remote_acceptance"
    FORMAL_REVIEW = "formal_review"
    ORIGINAL_CHECK = "original_check"
    ONE_TIME_NOTICE = "one_time_notice"
    DELIVERY = "delivery"
    COUNTER_VERIFICATION = "counter_verification"
    SEALING = "sealing"
    ISSUING = "issuing"
    SEAL_KEEPING = "seal_keeping"
    ADMINISTRATION = "administration"


ANY = "*"
"""Stands for every matter of the organisation in a grant."""


@dataclass(frozen=True, slots=True)
class Officer:
    """A person at work in one post: for one organisation in one district. One account may have several.

    `active` is false once the post was left; `starts_at` and `ends_at` bound it when they are given.
    """

    officer_id: str
    account_id: str
    name: str = field(repr=False)
    organisation_code: str
    district_code: str
    post: str
    active: bool
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def in_post(self, now: datetime) -> bool:
        """Tell whether the post is held at `now`: begun, not run out, not left."""
        return (
            self.active
            and (self.starts_at is None or self.starts_at <= now)
            and (self.ends_at is None or now < self.ends_at)
        )


@dataclass(frozen=True, slots=True)
class AuthorityGrant:
    """One authority of one officer, for a period."""

    grant_id: str
    officer_id: str
    authority: Authority
    district_code: str
    matter_code: str
    valid_from: datetime
    valid_until: datetime
    revoked_at: datetime | None = None
    approved_at: datetime | None = None
    granted_by: str = ""

    def covers(self, authority: str, district_code: str, matter_code: str, now: datetime) -> bool:
        """Tell whether the grant allows `authority` there, for that, at `now`."""
        return (
            self.revoked_at is None
            and self.approved_at is not None
            and self.valid_from <= now < self.valid_until
            and self.authority == authority
            and self.district_code == district_code
            and self.matter_code in (ANY, matter_code)
        )
