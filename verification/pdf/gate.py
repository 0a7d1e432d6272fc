"""The gate: one PDF in, one report out, pure over its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from verification.model import Report
    from verification.trust import TrustMaterial


@dataclass(frozen=True, slots=True)
class PdfLimits:
    """Above these a document is refused before it is judged."""

    bytes: int = 50 * 1024 * 1024
    pages: int = 2_000
    objects: int = 200_000
    seals: int = 64
    seconds: float = 15.0
    memory_bytes: int = 1024 * 1024 * 1024


DEFAULT_LIMITS = PdfLimits()


def validate_pdf(
    document: bytes, material: TrustMaterial, *, at: datetime, limits: PdfLimits = DEFAULT_LIMITS
) -> Report:
    """Judge every seal in a PDF as of one moment, and what the document became since.

    Pure and synchronous: call it in the sandbox for files from strangers.

    Args:
        document: the whole file.
        material: anchors and revocation data; nothing is fetched.
        at: aware UTC; the moment we judge at, not the time claimed inside.
        limits: what is refused unseen.

    Returns: a report; a bad seal, also one no parser can read, is an indication, not an exception.
    Raises: NotAPdf, DocumentEncrypted, NoSealFound, DocumentOverLimit.
    Standard: ETSI EN 319 102-1, clauses 5.3, 5.5 and 5.6.
    """
    raise NotImplementedError
