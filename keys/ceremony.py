"""The key ceremony: root, issuing CAs and the service's own keys, with its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from foundation.settings import Settings


@dataclass(frozen=True, slots=True)
class CeremonyRecord:
    """What was made, by whom and when; holds no secret."""

    record: dict[str, Any]
    root_export: Path | None

    def to_json(self) -> str:
        """Return the record as indented JSON."""
        raise NotImplementedError


async def initialise(
    settings: Settings,
    database: Database,
    clock: Clock,
    operators: tuple[Principal, ...],
    *,
    algorithm: str = "ecdsa-p256-sha256",
    token_algorithms: tuple[str, ...] = ("ES256",),
) -> CeremonyRecord:
    """Hold the ceremony: what `hufu init` runs.

    Makes the root, the issuing CAs and the TSA, OCSP, token, QR, receipt, status_list,
    trust_list and checkpoint keys. In production two different operators take part.
    Raises: KeystoreExists, SecondOperatorRequired, KeystoreLocked.
    """
    raise NotImplementedError
