"""What a verdict on a seal rests on, for the report of ETSI TS 119 102-2: public data alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RevocationObject:
    """A revocation list (`CRL`) or response (`OCSPResponse`) that speaks for the path; by digest, it may be long."""

    kind: str
    sha256_hex: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """A certificate of the path that was revoked: when by the authority's record, and why, as RFC 5280 names it."""

    certificate_sha256_hex: str
    revoked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A time-stamp token over the signature value."""

    token_der: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class SealEvidence:
    """The parts of one seal or document timestamp as they were judged.

    `path_der` leads from the signer to the anchor, shorter when no anchor was reached and empty when the
    signature could not be read. `covered_to` is where the covered revision ends; `covers` tells
    whether the byte range is sound. `procedure` is the clause of EN 319 102-1.
    """

    field_name: str
    byte_range: tuple[int, ...] = ()
    sub_filter: str = ""
    signature: bytes = b""
    digest_algorithm: str = ""
    digest: bytes = b""
    claimed_at: datetime | None = None
    procedure: str = ""
    path_der: tuple[bytes, ...] = ()
    timestamps: tuple[Timestamp, ...] = ()
    revocation: tuple[RevocationObject, ...] = ()
    covers: bool = False
    proven_at: datetime | None = None
    revoked: tuple[RevokedCertificate, ...] = ()

    @property
    def covered_to(self) -> int:
        """Return the length of the revision the seal covers."""
        return self.byte_range[2] + self.byte_range[3] if self.covers else 0
