"""Password hashing with Argon2id in a pool of its own, and what makes a password acceptable.

A flood of sign-ins fills this pool and its short queue, then is refused; it never
takes the event loop or anybody else's threads.
"""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from foundation.errors import ServiceUnavailable
from idp.people import foreign_hashes
from idp.people.errors import PasswordFlaw, WeakPassword

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Result = TypeVar("Result")

MINIMUM_LENGTH = 8
MAXIMUM_LENGTH = 128
ESTIMATED_LENGTH = 72
"""The estimator takes no more; what follows can only strengthen."""

MINIMUM_SCORE = 2
WAITING_PER_WORKER = 40
"""At 25 ms a hash this bounds the wait to about a second."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a password fits, and whether its hash should be made anew."""

    correct: bool
    outdated: bool = False


def normalised(unverified_password: str) -> str:
    """Return the password in NFKC, so that the same keys give the same bytes on every device."""
    return unicodedata.normalize("NFKC", unverified_password)


def strength_flaw(unverified_password: str, personal: Sequence[str] = ()) -> PasswordFlaw | None:
    """Return why a password is refused, or None.

    The estimator holds 30,000 leaked passwords, names and words, and knows keyboard walks,
    dates and repetitions; `personal` are words an attacker would try first for this account.
    """
    password = normalised(unverified_password)
    if len(password) < MINIMUM_LENGTH:
        return PasswordFlaw.TOO_SHORT
    if len(password) > MAXIMUM_LENGTH:
        return PasswordFlaw.TOO_LONG
    if password.casefold() in {word.casefold() for word in personal}:
        return PasswordFlaw.ACCOUNT_NAME
    estimate = zxcvbn(password[:ESTIMATED_LENGTH], user_inputs=[*personal, "hufu", "虎符"])
    if estimate["score"] >= MINIMUM_SCORE:
        return None
    longest = max(estimate["sequence"], key=lambda match: len(match["token"]))
    if longest.get("dictionary_name") == "user_inputs":
        return PasswordFlaw.ACCOUNT_NAME
    return _FLAWS.get(longest["pattern"], PasswordFlaw.GUESSABLE)


_FLAWS = {
    "dictionary": PasswordFlaw.COMMON,
    "date": PasswordFlaw.DATE,
    "sequence": PasswordFlaw.SEQUENCE,
    "repeat": PasswordFlaw.SEQUENCE,
    "spatial": PasswordFlaw.KEYBOARD,
}
"""What makes most of the password guessable, by the estimator's patterns."""

_SENTENCES = {
    PasswordFlaw.TOO_SHORT: f"A password has at least {MINIMUM_LENGTH} characters.",
    PasswordFlaw.TOO_LONG: f"A password has at most {MAXIMUM_LENGTH} characters.",
    PasswordFlaw.ACCOUNT_NAME: "The password repeats the name of the account.",
}
GUESSABLE = "The password appears in lists of leaked passwords or is easily guessed; add another word or two."


class Passwords:
    """Hashes and checks passwords off the event loop, a bounded number at a time."""

    def __init__(self, *, workers: int, time_cost: int = 2, memory_kib: int = 19456) -> None:
        """Start no thread yet; the costs are the OWASP minimum for Argon2id with one lane."""
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._room = workers * (1 + WAITING_PER_WORKER)
        self._decoy = self._hasher.hash("no account has this password")

    async def accept(self, unverified_password: str, personal: Sequence[str] = ()) -> str:
        """Return the hash of an acceptable password; raises WeakPassword."""

        def work() -> tuple[PasswordFlaw | None, str]:
            flaw = strength_flaw(unverified_password, personal)
            return flaw, "" if flaw else self._hasher.hash(normalised(unverified_password))

        flaw, hashed = await self._run(work)
        if flaw:
            raise WeakPassword(_SENTENCES.get(flaw, GUESSABLE), field="password", flaw=flaw)
        return hashed

    async def verify(self, stored: str | None, unverified_password: str) -> Verification:
        """Compare a password with its stored hash; without one, do the same work and say no."""
        return await self._run(lambda: self._verify(stored, unverified_password[: 4 * MAXIMUM_LENGTH]))

    async def rehash(self, password: str) -> str:
        """Return a fresh hash of a password already known to be right."""
        return await self._run(lambda: self._hasher.hash(normalised(password)))

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _verify(self, stored: str | None, unverified_password: str) -> Verification:
        if stored is not None and foreign_hashes.is_foreign(stored):
            correct = foreign_hashes.verify(stored, unverified_password)
            return Verification(correct, outdated=correct)
        try:
            self._hasher.verify(stored or self._decoy, normalised(unverified_password))
        except (VerificationError, InvalidHashError):
            return Verification(correct=False)
        if stored is None:
            return Verification(correct=False)
        return Verification(correct=True, outdated=self._hasher.check_needs_rehash(stored))

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._room <= 0:
            raise ServiceUnavailable("Too many people are signing in at this moment; try again in a few seconds.")
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._room += 1
