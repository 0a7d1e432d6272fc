"""What sealing needs from packages it does not know; `hufu/wiring.py` joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.blobs import BlobRef
    from foundation.principal import Principal
    from signing.model import SecondFactor


@dataclass(frozen=True, slots=True)
class SealExpectation:
    """What the finished document must be."""

    certificate_der: bytes
    """The seal's certificate; the CMS names it and verifies under it."""
    baseline_level: str
    """`B-B`, `B-T`, `B-LT` or `B-LTA`."""
    previous_length: int
    """The first this many bytes are the document as it was before sealing."""
    previous_sha256: bytes
    field_name: str


class SelfCheck(Protocol):
    """Verification's fast look at what was just sealed, joined to `verification`."""

    def check(self, document: bytes, expectation: SealExpectation) -> tuple[str, ...]:
        """Judge byte range, digest, CMS, certificate and timestamp of the newest seal.

        Returns: what is wrong, one short phrase each; nothing when all is well.
        """


class FullGate(Protocol):
    """The whole judgement of a PDF as any verifier makes it, joined to `verification`."""

    async def refusals(self, document: bytes, *, field_name: str, uploaded: bool) -> tuple[str, ...]:
        """Return the names of the checks a finished document does not pass; nothing when all is well.

        Args:
            document: the whole file.
            field_name: the field of our own seal.
            uploaded: it came from outside, so that what it says of a licence is compared with the records.

        Raises: ServiceUnavailable while nothing can be judged.
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


class SealOfficers(Protocol):
    """Knows who works where and looks after seals, joined to `idp`."""

    async def keeps_seals(self, principal: Principal, organisation_code: str) -> bool:
        """Tell whether an officer holds the authority over the organisation's seals now (印章管理)."""

    async def may_seal(self, principal: Principal, matter_code: str | None) -> bool:
        """Tell whether an officer holds the authority to seal (盖章) in a matter now; None asks for any matter."""

    async def in_post(self, officer_id: str, organisation_code: str) -> bool:
        """Tell whether this is an officer in post at the organisation."""


class DocumentReplaced(Protocol):
    """Told when a stored document gets its next revision: a later timestamp, a renewal."""

    async def replaced(
        self, connection: AsyncConnection, document_id: str, previous_sha256: bytes, blob: BlobRef
    ) -> None:
        """Take note within the transaction that replaces it; both revisions stay valid and stored."""


class NobodyKeepsDigests:
    """For a deployment in which no other package refers to sealed documents."""

    async def replaced(
        self, connection: AsyncConnection, document_id: str, previous_sha256: bytes, blob: BlobRef
    ) -> None:
        """Do nothing."""
