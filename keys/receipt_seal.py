"""The seal of the service's own receipts: the receipt key under a certificate.

The key is online, as for receipts in JWS form: it answers for what this process states, and for
nothing an office decides.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from foundation.principal import SYSTEM
from keys.algorithms import P256_SHA256
from keys.model import KeyPurpose

if TYPE_CHECKING:
    from foundation.clock import Clock
    from keys.ca import CertificateAuthority
    from keys.model import KeyInfo
    from keys.service import KeyService

RENEW_BEFORE = timedelta(days=60)


class ReceiptSeal:
    """Certifies the receipt key when it is first wanted, and signs with it."""

    def __init__(self, keys: KeyService, authority: CertificateAuthority, clock: Clock) -> None:
        """Take the keys, who certifies them, and the clock that tells when to renew."""
        self._keys = keys
        self._authority = authority
        self._clock = clock

    async def key(self) -> KeyInfo:
        """Return the active receipt key with its chain; raises KeyNotFound, ProviderUnavailable."""
        info, _ = self._keys.open_online(KeyPurpose.RECEIPT, P256_SHA256)
        if info.certificate_chain_der:
            certificate = x509.load_der_x509_certificate(info.certificate_chain_der[0])
            if self._clock.now() < certificate.not_valid_after_utc - RENEW_BEFORE:
                return info
        return await self._authority.issue_receipt(SYSTEM, info.key_id)

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest: ECDSA as DER; raises KeyNotFound."""
        _, key = self._keys.open_online(KeyPurpose.RECEIPT, P256_SHA256)
        return key.sign_digest(digest)
