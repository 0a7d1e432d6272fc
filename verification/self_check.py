"""The quick look every sealed document gets before it leaves.

It proves that what was meant came out: byte range, digest, CMS signature, certificate
and timestamp. It judges no trust and looks for no attack, since the document was made a
moment ago by ourselves; uploaded documents go through `verification.pdf` instead.
"""

from __future__ import annotations

from typing import Protocol


class SealExpectation(Protocol):
    """What the sealer says it has just done; signing's own dataclass fits by its names."""

    @property
    def certificate_der(self) -> bytes:
        """Return the certificate the seal must name and verify under."""

    @property
    def baseline_level(self) -> str:
        """Return `B-B`, `B-T`, `B-LT` or `B-LTA`; from `B-T` on a timestamp must be there."""

    @property
    def previous_length(self) -> int:
        """Return the length in bytes of the document before sealing; 0 when it was rewritten."""


class FastSelfCheck:
    """Joined to `signing.ports.SelfCheck`."""

    def check(self, document: bytes, expectation: SealExpectation) -> tuple[str, ...]:
        """Return the names of the checks that failed; empty when all passed. About 1 to 2 ms.

        Names: `byte_range`, `digest`, `signature`, `certificate`, `timestamp`, `structure`.
        """
        raise NotImplementedError
