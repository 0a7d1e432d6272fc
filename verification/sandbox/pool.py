"""A pool of sandbox processes, kept warm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.pdf.gate import DEFAULT_LIMITS

if TYPE_CHECKING:
    from datetime import datetime

    from verification.model import Report
    from verification.pdf.gate import PdfLimits
    from verification.trust import TrustMaterial


class Sandbox:
    """Runs `validate_pdf` out of process: empty environment, no keys, no database, no network."""

    def __init__(self, *, workers: int = 2, limits: PdfLimits = DEFAULT_LIMITS) -> None:
        """Prepare; processes start with `start()` or at first use."""

    async def start(self) -> None:
        """Start the workers."""

    async def validate(self, document: bytes, material: TrustMaterial, *, at: datetime) -> Report:
        """Judge a PDF in a worker.

        Raises: what `validate_pdf` raises, and SandboxUnavailable.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Stop the workers."""
