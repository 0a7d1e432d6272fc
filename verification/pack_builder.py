"""Builds the service's own offline pack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asn1crypto import crl

from keys.jws import sign_jws, verification_jwks
from keys.model import KeyPurpose
from verification.packs import MANIFEST, TYPE, b64, build_zip, manifest_claims
from verification.status.encoding import read_cwt

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.clock import Clock
    from keys.assembly import Keys
    from keys.model import KeyInfo
    from verification.ports import LicenceTypes
    from verification.sources import KeysTrust
    from verification.status.publisher import StatusPublisher
    from verification.trust import VerificationKey


@dataclass(frozen=True, slots=True)
class PackBuilder:
    """Gathers trust, status lists and catalogue into one signed file."""

    clock: Clock
    keys: Keys
    trust: KeysTrust
    statuses: StatusPublisher
    types: LicenceTypes
    service_id: str
    verify_page: str

    async def build(self) -> bytes:
        """Return a pack as of now; status lists are as last published."""
        now = self.clock.now()
        files = {
            "trust.json": _json(await self._trust()),
            "catalogue.json": _json({item.code: item.name for item in await self.types.types()}),
        }
        for token in await self.statuses.all_cwt():
            number = read_cwt(token).facts.subject.rpartition("/")[2]
            files[f"status/{number}.cwt"] = token
        info = await self.keys.service.active(KeyPurpose.TRUST_LIST)
        claims = manifest_claims(
            files,
            service_id=self.service_id,
            verify_page=self.verify_page,
            public_key_der=info.public_key_der,
            issued_at=now,
        )
        manifest = await sign_jws(self.keys.service, KeyPurpose.TRUST_LIST, claims, typ=TYPE)
        return build_zip({**files, MANIFEST: manifest.encode()})

    async def _trust(self) -> dict[str, Any]:
        material = await self.trust.own_material()
        issued = [crl.CertificateList.load(der)["tbs_cert_list"]["this_update"].native for der in material.crls_der]
        service = self.keys.service
        # Other cities' keys tell their genuine codes from forged ones; their status lists are theirs to publish.
        cities = () if self.trust.cities is None else tuple((await self.trust.cities.trusted()).values())
        return {
            "roots": [b64(der) for der in material.roots_der],
            "intermediates": [b64(der) for der in material.intermediates_der],
            "crls": [b64(der) for der in material.crls_der],
            "revocation_as_of": min(issued, default=self.clock.now()).isoformat(),
            "code_keys": [
                *(_key(info) for info in service.verification_keys(KeyPurpose.QR)),
                *(_key_of_another(key) for city in cities for key in city.code_keys),
            ],
            "other_pages": [city.verify_page for city in cities],
            "status_list_keys": [_key(info) for info in service.verification_keys(KeyPurpose.STATUS_LIST)],
            "receipt_jwks": verification_jwks(service, KeyPurpose.RECEIPT),
        }


def _key(info: KeyInfo) -> dict[str, Any]:
    return _key_claims(info.qr_key_id, info.public_key_der, info.not_trusted_from)


def _key_of_another(key: VerificationKey) -> dict[str, Any]:
    return _key_claims(key.key_id, key.public_key_der, key.not_trusted_from) | {"service": key.issuer}


def _key_claims(key_id: bytes, der: bytes, since: datetime | None) -> dict[str, Any]:
    moment = None if since is None else since.isoformat()
    return {"key_id": key_id.hex(), "der": b64(der), "not_trusted_from": moment}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
