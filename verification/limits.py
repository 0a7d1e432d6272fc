"""Above these a document is refused before it is judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PdfLimits:
    """Limits on one document; time and memory are enforced by the sandbox, the rest by the gate."""

    bytes: int = 50 * 1024 * 1024
    pages: int = 2_000
    objects: int = 50_000
    image_pixels: int = 400_000_000
    seals: int = 64
    seconds: float = 10.0
    memory_bytes: int = 1024 * 1024 * 1024


DEFAULT_LIMITS = PdfLimits()
