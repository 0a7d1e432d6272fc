"""The public side of the PKI: what a verifier trusts."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """Root certificates that are trusted, and CA certificates that help build paths."""

    roots_der: tuple[bytes, ...]
    intermediates_der: tuple[bytes, ...] = ()

    def pem(self) -> str:
        """Return every certificate as PEM, roots first."""
        ders = (*self.roots_der, *self.intermediates_der)
        return "".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode() for der in ders)
