"""Trust as the service's own key store knows it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from asn1crypto import crl

from keys.jws import verification_jwks
from keys.model import KeyPurpose
from verification.trust import TrustMaterial, VerificationKey
from verification.trust_lists import joined

if TYPE_CHECKING:
    from datetime import datetime

    from keys.assembly import Keys
    from verification.cities import Cities

MATERIAL_SECONDS = 20.0


class KeysTrust:
    """Anchors, revocation lists and code keys of this service."""

    def __init__(self, keys: Keys, service_id: str) -> None:
        """Take the key store."""
        self._keys = keys
        self._service_id = service_id
        self._kept: tuple[float, TrustMaterial] | None = None
        self.issued_at: datetime | None = None
        """When the newest list that is kept was issued; it is no earlier now, whatever the clock says."""
        self.cities: Cities | None = None

    async def own_material(self) -> TrustMaterial:
        """Return our own anchors and lists; at most 20 seconds old."""
        now = time.monotonic()
        if self._kept is not None and now - self._kept[0] < MATERIAL_SECONDS:
            return self._kept[1]
        anchors = await self._keys.service.trust_anchors()
        root, *issuing = await self._keys.ca.issuers()
        full = [await self._keys.ca.crl_der(issuer) for issuer in (root, *issuing)]
        # With very many revocations the newest stand for some minutes in the delta list alone.
        lists = (*full, *[await self._keys.ca.delta_crl_der(issuer) for issuer in issuing])
        issued = [crl.CertificateList.load(der)["tbs_cert_list"]["this_update"].native for der in lists]
        material = TrustMaterial(
            roots_der=anchors.roots_der,
            intermediates_der=anchors.intermediates_der,
            crls_der=lists,
            data_as_of=min(issued),
        )
        self._kept, self.issued_at = (now, material), max(issued)
        return material

    def forget(self) -> None:
        """Read the key store anew next time: something may have been issued since."""
        self._kept = None

    async def material(self) -> TrustMaterial:
        """Return what PDFs are judged with now: our own, and that of every trusted city."""
        own = await self.own_material()
        return (
            own
            if self.cities is None
            else joined(own, [one.material for one in (await self.cities.trusted()).values()])
        )

    def own_keys(self, purpose: KeyPurpose) -> tuple[VerificationKey, ...]:
        """Return our own public keys of a purpose."""
        return tuple(
            VerificationKey(info.qr_key_id, info.public_key_der, self._service_id, info.not_trusted_from)
            for info in self._keys.service.verification_keys(purpose)
        )

    def own_receipt_keys(self) -> dict[str, Any]:
        """Return every key our receipts were ever signed with."""
        return verification_jwks(self._keys.service, KeyPurpose.RECEIPT)

    async def receipt_keys(self) -> dict[str, Any]:
        """Return our keys of receipts and, each for its own address alone, those of every trusted city."""
        cities = () if self.cities is None else (await self.cities.trusted()).values()
        theirs = [key | {"iss": city.issuer} for city in cities for key in city.receipt_jwks["keys"]]
        return {"keys": [*self.own_receipt_keys()["keys"], *theirs]}

    def code_keys(self) -> tuple[VerificationKey, ...]:
        """Return the keys that may sign our HF1 codes."""
        return self.own_keys(KeyPurpose.QR)
