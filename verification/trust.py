"""What a verdict may rest on: anchors, certificates, revocation data, all explicit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class TrustMaterial:
    """Public data a PDF is judged with; everything DER, nothing fetched.

    `roots_der` are trusted for seals, `tsa_roots_der` for timestamps (the same when
    empty). `untrusted_from` maps the SHA-256 of a certificate to the moment from which
    its key is known to be compromised. `data_as_of` is the age of the oldest item that
    can go stale. `revocation_required` lets nothing pass whose revocation nobody can look up
    (decision 0045). `existed` tells of the judged document when its revisions, by length, are known to have
    existed already (decision 0112).
    """

    roots_der: tuple[bytes, ...]
    intermediates_der: tuple[bytes, ...] = ()
    tsa_roots_der: tuple[bytes, ...] = ()
    crls_der: tuple[bytes, ...] = ()
    ocsp_responses_der: tuple[bytes, ...] = ()
    untrusted_from: Mapping[bytes, datetime] = field(default_factory=dict)
    data_as_of: datetime | None = None
    revocation_required: bool = True
    existed: Mapping[int, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key that signs codes, receipts or lists.

    `key_id` is the first 8 bytes of SHA-256 over `public_key_der` (SubjectPublicKeyInfo).
    `issuer` is the service id it belongs to, such as `CN-5000`.
    """

    key_id: bytes
    public_key_der: bytes
    issuer: str
    not_trusted_from: datetime | None = None


class TrustSource(Protocol):
    """Where the service gets its trust from; `verification.sources.KeysTrust` reads it from `keys`."""

    async def material(self) -> TrustMaterial:
        """Return what PDFs are judged with now."""

    def own_receipt_keys(self) -> dict[str, Any]:
        """Return every key our own receipts were ever signed with."""

    async def receipt_keys(self) -> dict[str, Any]:
        """Return the keys that may sign receipts, as `verification.receipts.read_receipt` takes them."""

    def code_keys(self) -> tuple[VerificationKey, ...]:
        """Return the keys that may sign HF1 codes."""
