"""Verification's full gate for tests that seal: the same judgement, without starting processes for each test."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from verification.full_gate import GATE_LIMITS, FullGate
from verification.pdf import validate_pdf
from verification.sources import KeysTrust

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.clock import Clock
    from keys.assembly import Keys
    from verification.model import Report
    from verification.trust import TrustMaterial


ONE_AT_A_TIME = threading.Lock()
"""pdfium serves one thread at a time; the service has it in processes of their own."""


class InThisProcess:
    """Judges on a thread what the service judges in a sandbox process."""

    async def validate(self, document: bytes, material: TrustMaterial, *, at: datetime) -> Report:
        return await asyncio.to_thread(_judge, document, material, at)

    async def close(self) -> None:
        """Nothing was started."""


def _judge(document: bytes, material: TrustMaterial, at: datetime) -> Report:
    with ONE_AT_A_TIME:
        return validate_pdf(document, material, at=at, limits=GATE_LIMITS)


def full_gate(keys: Keys, clock: Clock) -> FullGate:
    """Return the gate over a test's own keys."""
    return FullGate(InThisProcess(), KeysTrust(keys, "CN-5000"), clock)
