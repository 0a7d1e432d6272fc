"""What sealing needs from packages it does not know; `hufu/wiring.py` joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from signing.model import SecondFactor


@dataclass(frozen=True, slots=True)
class SealExpectation:
    """What the finished document must be."""

    original_length: int
    """The document handed in is the first this many bytes, unchanged (after flattening, the flattened one)."""
    original_sha256: bytes
    field_name: str
    certificate_der: bytes
    """The seal's certificate; the CMS names it and verifies under it."""
    timestamped: bool


class SelfCheck(Protocol):
    """Verification's fast look at what was just sealed, joined to `verification`."""

    def check(self, document: bytes, expectation: SealExpectation) -> tuple[str, ...]:
        """Judge byte range, digest, CMS, certificate and timestamp of the newest seal.

        Returns: what is wrong, one short phrase each; nothing when all is well.
        """


class SecondFactors(Protocol):
    """Checks an officer's second factor, joined to `idp`."""

    async def verify(
        self, connection: AsyncConnection, principal: Principal, factor: SecondFactor, challenge: bytes
    ) -> str:
        """Consume the factor within the caller's transaction.

        Args:
            connection: the transaction that also confirms the intention.
            principal: the officer.
            factor: what was presented.
            challenge: 32 bytes; a passkey assertion must have signed exactly these.

        Returns: a reference for the record (credential or device identifier), no secret.
        Raises: NotAuthenticated or NotPermitted when the factor is wrong, used or throttled.
        """
