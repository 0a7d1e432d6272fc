"""Builds the service's own offline pack."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asn1crypto import crl

from keys.jws import sign_jws, verification_jwks
from keys.model import KeyPurpose
from verification.packs import MANIFEST, TYPE, b64, build_zip, manifest_claims

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from foundation.clock import Clock
    from keys.assembly import Keys
    from keys.model import KeyInfo
    from verification.neighbours import NeighbourLists
    from verification.packs import CityInPack
    from verification.ports import LicenceTypes
    from verification.sources import KeysTrust
    from verification.status.publisher import StatusPublisher
    from verification.trust import VerificationKey


KEPT_SECONDS = 20.0
"""A city's pack is megabytes, and every browser that opens a code's link may fetch one."""


@dataclass(slots=True)
class PackBuilder:
    """Gathers trust, status lists and catalogue into one signed file; asks no other city for anything."""

    clock: Clock
    keys: Keys
    trust: KeysTrust
    statuses: StatusPublisher
    types: LicenceTypes
    neighbours: NeighbourLists
    service_id: str
    verify_page: str
    _kept: tuple[float, bytes] = field(default=(float("-inf"), b""), init=False, repr=False)
    _building: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def latest(self) -> bytes:
        """Return a pack at most twenty seconds old; who asks while one is built gets that one."""
        async with self._building:
            if time.monotonic() - self._kept[0] >= KEPT_SECONDS:
                self._kept = (time.monotonic(), await self.build())
            return self._kept[1]

    def forget(self) -> None:
        """Build a new one the next time."""
        self._kept = (float("-inf"), b"")

    async def build(self) -> bytes:
        """Return a pack as of now; status lists are as last published."""
        now, cities = self.clock.now(), await self.neighbours.for_pack()
        files = {
            "trust.json": _json(await self._trust(cities)),
            "catalogue.json": _json({item.code: item.name for item in await self.types.types()}),
        }
        files |= {f"status/{number}.cwt": token for number, token in (await self.statuses.all_cwt()).items()}
        for place, city in enumerate(cities):
            files |= {f"cities/{place}/{number}.cwt": token for number, token in city.lists.items()}
        info = await self.keys.service.active(KeyPurpose.TRUST_LIST)
        claims = await asyncio.to_thread(
            manifest_claims,
            files,
            service_id=self.service_id,
            verify_page=self.verify_page,
            public_key_der=info.public_key_der,
            issued_at=now,
        )
        manifest = await sign_jws(self.keys.service, KeyPurpose.TRUST_LIST, claims, typ=TYPE)
        return await asyncio.to_thread(build_zip, {**files, MANIFEST: manifest.encode()})

    async def _trust(self, cities: Sequence[CityInPack]) -> dict[str, Any]:
        material = await self.trust.own_material()
        issued = [crl.CertificateList.load(der)["tbs_cert_list"]["this_update"].native for der in material.crls_der]
        service = self.keys.service
        return {
            "roots": [b64(der) for der in material.roots_der],
            "intermediates": [b64(der) for der in material.intermediates_der],
            "crls": [b64(der) for der in material.crls_der],
            "revocation_as_of": min(issued, default=self.clock.now()).isoformat(),
            "code_keys": [
                *(_key(info) for info in service.verification_keys(KeyPurpose.QR)),
                *(_key_of_another(key) for city in cities for key in city.trust_list.code_keys),
            ],
            "other_pages": [city.trust_list.verify_page for city in cities],
            "cities": [city.claims() for city in cities],
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
