"""Above these a document is refused before it is judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PdfLimits:
    """Limits on one document; time and memory are enforced by the sandbox, the rest by the gate.

    `seconds` is by the clock and the most anything takes. What a verdict may cost is told by the processor, so that
    a small file that draws without end is stopped long before, on a busy machine too: so much for any file, and
    more for what honest long files have more of.
    """

    bytes: int = 50 * 1024 * 1024
    pages: int = 2_000
    objects: int = 50_000
    image_pixels: int = 400_000_000
    seals: int = 64
    seconds: float = 10.0
    cpu_seconds: float = 1.7
    cpu_seconds_each_megabyte: float = 0.3
    cpu_seconds_each_page: float = 0.06
    cpu_seconds_each_seal: float = 0.05
    memory_bytes: int = 1024 * 1024 * 1024

    def cpu_budget(self, size: int, *, pages: int = 0, seals: int = 0) -> float:
        """Return the processor seconds a verdict on a file of so many bytes, pages and seals may cost."""
        more = self.cpu_seconds_each_megabyte * size / 1_000_000
        more += self.cpu_seconds_each_page * pages + self.cpu_seconds_each_seal * seals
        return min(self.cpu_seconds + more, self.seconds)


DEFAULT_LIMITS = PdfLimits()
