"""Signing in and out, and what a session cookie stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.principal import Channel, Principal
    from idp.people.session import Session


class SessionService:
    """Use cases of a session."""

    async def sign_in(
        self,
        unverified_username: str,
        unverified_password: str,
        *,
        source: str,
        channel: Channel,
        device_secret: str | None = None,
    ) -> Session:
        """Check a password and open a session.

        The returned session has `secret` (session cookie) and `device_secret` (a long-lived
        cookie that keeps strangers' guesses from locking the owner out). When the account has a
        second factor the session is `pending`: only `resolve_pending` and `second_factor` take it.

        Raises: SignInRefused (unknown name and wrong password alike), SignInThrottled.
        """
        raise NotImplementedError

    async def second_factor(self, session: Session, unverified_code: str, *, source: str = "") -> Session:
        """Finish a pending session, or step an open one up, with a one-time code.

        Returns the session with `otp` in `amr` and a new `secret`; the old secret is void.
        Raises: SecondFactorRefused, SignInThrottled.
        """
        raise NotImplementedError

    async def resolve(self, session_secret: str) -> Session | None:
        """Return the open session of a secret, or None: unknown, ended, idle too long, or pending."""
        raise NotImplementedError

    async def resolve_pending(self, session_secret: str) -> Session | None:
        """Return the session that still owes a second factor, or None."""
        raise NotImplementedError

    async def sign_out(self, principal: Principal, session_id: str | None = None) -> None:
        """End the principal's own session, or another one of the same account by its id."""
        raise NotImplementedError
