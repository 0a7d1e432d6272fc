"""What was just sealed, judged as anybody will judge it later.

The fast self-check proves that what was meant came out. This one asks whether a verifier will
agree: the whole judgement of a PDF, in sandbox processes of its own, so that no crowd of
strangers with files to verify keeps a department from sealing (decision 0090).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from foundation.errors import InvalidInput, LimitExceeded
from verification.as_of import NOW
from verification.limits import PdfLimits
from verification.model import Indication, Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.clock import Clock
    from verification.model import Check, Report
    from verification.record_comparison import RecordComparison
    from verification.sources import KeysTrust
    from verification.trust import TrustMaterial

_MEBIBYTE = 1024 * 1024
GATE_LIMITS = PdfLimits(
    bytes=160 * _MEBIBYTE,
    pages=5_000,
    objects=1_000_000,
    seconds=60.0,
    cpu_seconds=60.0,
    memory_bytes=3 * 1024 * _MEBIBYTE,
)
"""What may be sealed may be judged: strangers' files have narrower limits."""
_OF_THE_RECORD = frozenset(
    {
        "licence.record",
        "licence.sealed_by_issuer",
        "licence.agrees_with_record",
        "licence.agrees_with_rendering",
    }
)
"""A licence's state is not among them: an expired one may be sealed into an archive."""
_LICENCE = ("licence.", "copy.")


class Judges(Protocol):
    """Judges a PDF: `verification.sandbox.Sandbox`."""

    async def validate(self, document: bytes, material: TrustMaterial, *, at: datetime) -> Report:
        """Judge a PDF; raises what `validate_pdf` raises, and SandboxUnavailable."""

    async def close(self) -> None:
        """Stop what was started."""


class FullGate:
    """Joined to `signing.ports.FullGate`."""

    def __init__(
        self, judges: Judges, trust: KeysTrust, clock: Clock, comparison: RecordComparison | None = None
    ) -> None:
        """Take the collaborators; opens nothing. Without `comparison` no upload is compared with the records."""
        self._judges = judges
        self._trust = trust
        self._clock = clock
        self._comparison = comparison

    async def refusals(self, document: bytes, *, field_name: str, uploaded: bool) -> tuple[str, ...]:
        """Return the names of the checks a finished document does not pass; empty when it will be VALID.

        Somebody else's seal beneath ours may be one that nobody here can judge; one that is broken may not.

        Args:
            document: the whole file, sealed.
            field_name: the field of the seal that was just applied, extended or renewed.
            uploaded: not rendered by ourselves from the records, so what it says of a licence is compared with them.

        Raises: SandboxUnavailable.
        """
        try:
            report = await self._judged(document, field_name)
            if uploaded and self._comparison is not None and not refused(report, field_name):
                report = await self._comparison.compare(report, NOW, document)
        except (InvalidInput, LimitExceeded) as error:
            return (type(error).__name__,)
        return refused(report, field_name)

    async def _judged(self, document: bytes, field_name: str) -> Report:
        report = await self._judge(document)
        if not refused(report, field_name):
            return report
        # What is kept of the key store may be older than the certificate or the timestamp in the document.
        self._trust.forget()
        return await self._judge(document)

    async def _judge(self, document: bytes) -> Report:
        material = await self._trust.material()
        # A clock that was set back stops timestamps (`keys`), and no seals.
        now = self._clock.now()
        return await self._judges.validate(document, material, at=max(now, self._trust.issued_at or now))

    async def close(self) -> None:
        """Stop the processes."""
        await self._judges.close()


def refused(report: Report, field_name: str) -> tuple[str, ...]:
    """Return the names of the checks for which a document may not leave; pure.

    The seal of `field_name` and what came after it (our own timestamps) must pass entirely, and so must the
    document as a whole; of earlier seals none may fail.
    """
    names = [facts.field_name for facts in report.seals]
    ours = report.seals[names.index(field_name) :] if field_name in names else ()
    unsound = frozenset(facts.field_name for facts in ours if facts.indication is not Indication.TOTAL_PASSED)
    failed = tuple(dict.fromkeys(check.name for check in report.checks if _counts(check, unsound)))
    if failed or (ours and not unsound and report.indication is not Indication.TOTAL_FAILED):
        return failed
    return ("seal.indication" if ours else "seal.missing",)


def _counts(check: Check, unsound: frozenset[str]) -> bool:
    if check.name.startswith(_LICENCE) and check.name not in _OF_THE_RECORD:
        return False
    if check.outcome is Outcome.UNKNOWN:
        return check.of_seal in unsound if check.of_seal else check.name.startswith("pdf.")
    return check.outcome is Outcome.FAILED
