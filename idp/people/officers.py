"""Officers: who works where, and which authorities they were granted."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.principal import Principal
    from idp.people.second_factors import TotpEnrolment


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


ANY = "*"
"""Stands for every matter of the organisation in a grant."""


@dataclass(frozen=True, slots=True)
class Officer:
    """A person at work for one organisation in one district."""

    officer_id: str
    account_id: str
    name: str = field(repr=False)
    organisation_code: str
    district_code: str
    post: str
    active: bool


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

    def covers(self, authority: str, district_code: str, matter_code: str, now: datetime) -> bool:
        """Tell whether the grant allows `authority` there, for that, at `now`."""
        return (
            self.revoked_at is None
            and self.valid_from <= now < self.valid_until
            and self.authority == authority
            and self.district_code == district_code
            and self.matter_code in (ANY, matter_code)
        )


@dataclass(frozen=True, slots=True)
class AddedOfficer:
    """A new officer and the second factor to hand over once."""

    officer: Officer
    enrolment: TotpEnrolment = field(repr=False)


class OfficerService:
    """Use cases of officers."""

    async def add(
        self,
        principal: Principal,
        *,
        username: str,
        password: str,
        name: str,
        organisation_code: str,
        district_code: str,
        post: str,
        totp_secret_base32: str | None = None,
    ) -> AddedOfficer:
        """Create an officer with an account and a TOTP second factor (given or new).

        Raises: InvalidInput, WeakPassword, UsernameTaken, NotPermitted.
        """
        raise NotImplementedError

    async def get(self, officer_id: str) -> Officer:
        """Return an officer; raises NotFound."""
        raise NotImplementedError

    async def authorities(self, officer_id: str) -> tuple[AuthorityGrant, ...]:
        """Return the grants in force now."""
        raise NotImplementedError

    async def grant(
        self,
        principal: Principal,
        officer_id: str,
        authority: Authority,
        *,
        district_code: str,
        matter_code: str = ANY,
        valid_until: datetime,
    ) -> AuthorityGrant:
        """Grant one authority; raises NotFound, NotPermitted, InvalidInput."""
        raise NotImplementedError

    async def require(self, principal: Principal, authority: str, district_code: str, matter_code: str) -> None:
        """Raise AuthorityMissing unless the principal is an officer who holds the authority now."""
        raise NotImplementedError
