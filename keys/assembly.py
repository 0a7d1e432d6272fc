"""Builds the package from the settings: one call for server, worker, signer and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.settings import Settings
    from keys.ca import CertificateAuthority
    from keys.jws import TokenSigner
    from keys.ocsp import OcspResponder
    from keys.ports import SealIntentions
    from keys.service import KeyService
    from keys.tsa import TimestampAuthority


@dataclass(frozen=True, slots=True)
class Keys:
    """Everything other packages use of this one."""

    service: KeyService
    tokens: TokenSigner
    receipts: TokenSigner
    ca: CertificateAuthority
    tsa: TimestampAuthority
    ocsp: OcspResponder

    async def close(self) -> None:
        """Close the connection to the signer or the token session."""
        raise NotImplementedError


def assemble(settings: Settings, database: Database, clock: Clock, *, intentions: SealIntentions | None = None) -> Keys:
    """Join the parts; opens nothing until `await keys.service.load()`.

    With `settings.signer_socket` set, the signer process does what its keys do;
    otherwise this process does (development), and checks `intentions` itself. Without
    `intentions` every seal signature is refused.
    """
    raise NotImplementedError
