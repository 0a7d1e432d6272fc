"""The OCSP responders' work, done where their keys are."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from keys.der import MalformedDer
from keys.errors import CertificateNotFound, KeyNotFound, KeystoreMissing, ProviderUnavailable
from keys.model import LISTING_STATES, KeyPurpose
from keys.statuses import (
    INTERNAL_ERROR,
    MALFORMED,
    UNAUTHORIZED,
    ResponseBuilder,
    StatusRequest,
    error_response,
    issuer_hashes,
    parse_request,
    request_for,
)

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.clock import Clock
    from keys.certificates import Issuer
    from keys.keyring import KeyRing
    from keys.register import Register
    from keys.repository import StoredKey
    from keys.revocation import Revocation
    from keys.signer.status_book import StatusBook
    from keys.statuses import Unknown

LIFETIME = timedelta(hours=1)
PRESIGNED_LIFETIME = timedelta(minutes=5)
PRESIGNED_COUNT = 10_000

_Hashes = tuple[bytes, bytes, bytes]


class Responder:
    """Answers for each issuing CA with that CA's delegated key."""

    def __init__(self, clock: Clock, ring: KeyRing, register: Register, book: StatusBook) -> None:
        """Use the active OCSP keys of the register."""
        self._clock = clock
        self._ring = ring
        self._register = register
        self._book = book
        self._version = -1
        self._builders: dict[_Hashes, tuple[StoredKey, ResponseBuilder]] = {}
        self._presigned: OrderedDict[bytes, tuple[object, datetime, bytes]] = OrderedDict()

    async def _by_hashes(self) -> dict[_Hashes, tuple[StoredKey, ResponseBuilder]]:
        await self._register.refresh()
        if self._version != self._register.version:
            authorities = self._register.authorities(LISTING_STATES)
            self._builders = {hashes: one for issuer in authorities for hashes, one in self._builders_of(issuer)}
            self._presigned.clear()
            self._version = self._register.version
        return self._builders

    def _builders_of(self, issuer: Issuer) -> list[tuple[_Hashes, tuple[StoredKey, ResponseBuilder]]]:
        key = self._register.active(KeyPurpose.OCSP, issuer)
        authority = self._register.authority(issuer).info
        certificate = x509.load_der_x509_certificate(authority.certificate_chain_der[0])
        one = (key, ResponseBuilder(issuer, key.info, self._ring.open(key)))
        return [(hashes, one) for hashes in issuer_hashes(certificate, authority.public_key_der)]

    async def respond(self, request_der: bytes) -> bytes:
        """Answer an OCSPRequest; whatever is wrong becomes one of the protocol's own errors."""
        try:
            request = parse_request(request_der)
        except MalformedDer:
            return error_response(MALFORMED)
        try:
            return await self._answer(request)
        except CertificateNotFound:
            return error_response(UNAUTHORIZED)
        except (KeyNotFound, KeystoreMissing, ProviderUnavailable):
            return error_response(INTERNAL_ERROR)

    async def response_for(self, certificate_der: bytes) -> bytes:
        """Return the status of one of our certificates; raises CertificateNotFound for a stranger's."""
        certificate = x509.load_der_x509_certificate(certificate_der)
        for hashes, (_, builder) in (await self._by_hashes()).items():
            if self._issued(builder.issuer, certificate):
                return await self._answer(request_for(certificate, hashes))
        raise CertificateNotFound("This certificate was not issued here.")

    def _issued(self, issuer: Issuer, certificate: x509.Certificate) -> bool:
        authority = self._register.authority(issuer).info.certificate_chain_der[0]
        return x509.load_der_x509_certificate(authority).subject == certificate.issuer

    async def _answer(self, request: StatusRequest) -> bytes:
        builders = await self._by_hashes()
        found = {id(one): one for asked in request.certificates for one in (builders.get(asked.issuer_hashes),)}
        chosen = next(iter(found.values()))
        if chosen is None or len(found) != 1:
            # One delegated key speaks for one CA, so a request across CAs has no answer.
            raise CertificateNotFound("These certificates are not all of one CA of ours.")
        key, builder = chosen
        status = {one.serial: await self._book.status(builder.issuer, one.serial) for one in request.certificates}
        if request.nonce_extension or len(request.certificates) > 1:
            return await self._signed(key, builder, request, status)
        return await self._presigned_answer(key, builder, request, status)

    async def _presigned_answer(
        self,
        key: StoredKey,
        builder: ResponseBuilder,
        request: StatusRequest,
        status: dict[int, Revocation | Unknown | None],
    ) -> bytes:
        """Give the same answer again while it is young and its status unchanged."""
        name, now = request.certificates[0].encoded, self._clock.now()
        (one,) = status.values()
        kept = self._presigned.get(name)
        if kept is not None and kept[0] == one and timedelta(0) <= now - kept[1] < PRESIGNED_LIFETIME:
            return kept[2]
        response = await self._signed(key, builder, request, status)
        self._presigned[name] = (one, now, response)
        if len(self._presigned) > PRESIGNED_COUNT:
            self._presigned.popitem(last=False)
        return response

    async def _signed(
        self,
        key: StoredKey,
        builder: ResponseBuilder,
        request: StatusRequest,
        status: dict[int, Revocation | Unknown | None],
    ) -> bytes:
        now = self._clock.now()
        return await self._ring.run(key, lambda: builder.response(request, status, now=now, next_update=now + LIFETIME))
