"""One-time codes as a second factor: setting up, checking, consuming a step once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """A secret shown once, to be confirmed with a first code."""

    provisioning_uri: str = field(repr=False)
    secret_base32: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecondFactorProof:
    """That a second factor was given for one act: method (`otp`) and moment."""

    method: str
    verified_at: datetime


class SecondFactorService:
    """Use cases of the second factor."""

    async def begin_totp(self, principal: Principal) -> TotpEnrolment:
        """Make a new secret for the principal's account; it counts once confirmed."""
        raise NotImplementedError

    async def confirm_totp(self, principal: Principal, unverified_code: str) -> tuple[str, ...]:
        """Confirm the new secret with a code and return ten recovery codes; raises SecondFactorRefused."""
        raise NotImplementedError

    async def verify(
        self, connection: AsyncConnection, principal: Principal, unverified_code: str
    ) -> SecondFactorProof:
        """Check a code for one act (a seal, a mandate) and consume its step in the caller's transaction.

        Raises: SecondFactorRefused (wrong, used before, none set up), SignInThrottled.
        """
        raise NotImplementedError
