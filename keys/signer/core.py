"""The signer itself: holds the opened keys and refuses what is not intended."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from foundation.errors import InvalidInput
from foundation.principal import SYSTEM
from keys.algorithms import profile
from keys.certificates import verify_message
from keys.errors import IntentionMissing, KeyNotUsable, UnsupportedAlgorithm, WrongPurpose
from keys.issuing import service_subject
from keys.model import DIGEST_PURPOSES, INTENDED_PURPOSES, LISTING_STATES, KeyPurpose, KeyState, require_use
from keys.repository import KeyRepository, find_key
from keys.revocation import Revocation, RevocationReason

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from keys.certificates import Issuer
    from keys.issuing import CertificateIssuer
    from keys.keyring import KeyRing
    from keys.lifecycle import Lifecycle
    from keys.model import KeyInfo
    from keys.ports import SealIntentions
    from keys.register import Register
    from keys.repository import StoredKey
    from keys.signer.answering import Responder
    from keys.signer.confirmation import Confirmations
    from keys.signer.stamping import Stamper
    from keys.signer.status_book import StatusBook

DIGEST_BYTES = 32
TRIAL = b"Hufu tries this key. "
"""In front of what is signed to try a key, so that it is nothing else."""
RENEW_BEFORE = timedelta(days=30)
USED_STATES = frozenset({KeyState.ACTIVE, KeyState.RETIRING})


class SignerCore:
    """Implements `keys.signer.port.Signer` over keys opened in this process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ring: KeyRing,
        register: Register,
        lifecycle: Lifecycle,
        issuer: CertificateIssuer,
        stamper: Stamper,
        responder: Responder,
        book: StatusBook,
        intentions: SealIntentions | None,
        confirmations: Confirmations,
    ) -> None:
        """Join the parts; without `intentions` no seal is signed."""
        self._database = database
        self._clock = clock
        self._ring = ring
        self._register = register
        self._lifecycle = lifecycle
        self._issuer = issuer
        self._intentions = intentions
        self._confirmations = confirmations
        self._book = book
        self._stamper = stamper
        self.timestamp = stamper.timestamp
        self.timestamp_response = stamper.respond
        self.ocsp_response = responder.respond
        self.ocsp_response_for = responder.response_for
        self.create_key = lifecycle.create
        self.pin = confirmations.pin
        self.unpin = confirmations.unpin
        self.certify = issuer.certify
        self.certify_request = issuer.certify_request

    async def load(self) -> None:
        """Unlock the keystore and read the service's keys."""
        await self._ring.unlock(self._database)
        await self._register.refresh(force=True)
        await self._stamper.load()

    async def close(self) -> None:
        """Drop every opened key."""
        self._ring.close()

    async def activate_key(self, principal: Principal, key_id: str) -> KeyInfo:
        """Make a pending key active."""
        return await self._changed(await self._lifecycle.activate(principal, key_id))

    async def retire_key(self, principal: Principal, key_id: str) -> KeyInfo:
        """End a key's use."""
        return await self._changed(await self._lifecycle.retire(principal, key_id))

    async def _changed(self, info: KeyInfo) -> KeyInfo:
        await self._register.refresh(force=True)
        return info

    async def compromise_key(self, principal: Principal, key_id: str, not_trusted_from: datetime) -> KeyInfo:
        """Mark a key compromised, then revoke its certificates.

        The state comes first: if revoking fails, the key is out of use already and the act can be repeated.
        """
        info = await self._lifecycle.compromise(principal, key_id, not_trusted_from)
        revocation = Revocation(0, self._clock.now(), RevocationReason.KEY_COMPROMISE, not_trusted_from)
        await self._issuer.revoke_all_of(principal, key_id, revocation)
        self._book.age()
        return await self._changed(info)

    async def destroy_key(self, principal: Principal, key_id: str) -> KeyInfo:
        """Erase the private part of a key that is out of use."""
        return await self._changed(await self._lifecycle.destroy(principal, key_id))

    async def sign_digest(self, key_id: str, purpose: KeyPurpose, digest: bytes, intention_id: str | None) -> bytes:
        """Sign a digest; a seal's only if a committed intention names it.

        Raises: WrongPurpose, KeyNotUsable, KeyNotFound, IntentionMissing, InvalidInput, UnsupportedAlgorithm.
        """
        if purpose not in DIGEST_PURPOSES:
            raise WrongPurpose(f"{purpose} keys sign nothing that a caller prepared.")
        if len(digest) != DIGEST_BYTES:
            raise InvalidInput("A digest has 32 bytes.", field="digest")
        if purpose in INTENDED_PURPOSES:
            key = await self._intended(key_id, purpose, digest, intention_id)
        else:
            key = await self._service_key(key_id, purpose)
        opened = self._ring.open(key)
        return await self._ring.run(key, lambda: opened.sign_digest(digest))

    async def sign_message(self, key_id: str, purpose: KeyPurpose, message: bytes) -> bytes:
        """Sign a message with a service key; seals are signed by digest and intention only."""
        if purpose not in DIGEST_PURPOSES - INTENDED_PURPOSES:
            raise WrongPurpose(f"{purpose} keys sign no messages.")
        key = await self._service_key(key_id, purpose)
        opened = self._ring.open(key)
        return await self._ring.run(key, lambda: opened.sign(message))

    async def _service_key(self, key_id: str, purpose: KeyPurpose) -> StoredKey:
        await self._register.refresh()
        key = self._register.find(key_id)
        if key is None:
            async with self._database.read() as connection:
                key = await KeyRepository(connection).get(key_id)
        require_use(key.info, purpose)
        return key

    async def _intended(self, key_id: str, purpose: KeyPurpose, digest: bytes, intention_id: str | None) -> StoredKey:
        """Read key and intention anew from the database, on a connection of the signer's own."""
        if self._intentions is None or not intention_id:
            raise IntentionMissing("A seal needs a stored intention.")
        key = await find_key(self._database, key_id)
        require_use(key.info, purpose)
        if profile(key.info.algorithm).digest is None:
            raise UnsupportedAlgorithm("This key signs no digests.", field="algorithm")
        covered = await self._intentions.covers(self._database, intention_id=intention_id, key_id=key_id, digest=digest)
        if not covered:
            raise IntentionMissing("No stored, confirmed intention names this key and digest.")
        await self._require_certified(key.info)
        if self._confirmations.required:
            await self._require_confirmed(key.info, digest, intention_id)
        return key

    async def _require_confirmed(self, info: KeyInfo, digest: bytes, intention_id: str) -> None:
        if self._intentions is None:
            raise IntentionMissing("A seal needs a stored intention.")
        async with self._database.read() as connection:
            evidence = await self._intentions.evidence(connection, intention_id=intention_id, key=info, digest=digest)
        if evidence is None:
            raise IntentionMissing("The stored intention does not make this digest.")
        await self._confirmations.require(info, digest, evidence)

    async def try_key(self, key_id: str) -> None:
        """Have a seal's key sign what the signer itself made up, and check it by the certificate.

        Raises: KeyNotFound, WrongPurpose, KeyNotUsable, ProviderUnavailable.
        """
        key = await find_key(self._database, key_id)
        require_use(key.info, KeyPurpose.SEAL)
        await self._require_certified(key.info)
        opened, message = self._ring.open(key), TRIAL + os.urandom(DIGEST_BYTES)
        signature = await self._ring.run(key, lambda: opened.sign(message))
        certificate = x509.load_der_x509_certificate(key.info.certificate_chain_der[0])
        try:
            verify_message(certificate, signature, message)
        except InvalidSignature as error:
            raise KeyNotUsable(f"The certificate of key {key_id} is for another key.") from error

    async def _require_certified(self, info: KeyInfo) -> None:
        """Raise KeyNotUsable once the key's certificate has ended; a person's is in the encrypted table only."""
        if info.purpose is KeyPurpose.PERSON:
            async with self._database.read() as connection:
                found = await self._issuer.certificates(connection).search(key_id=info.key_id, limit=1)
            ends = found[0].not_after if found else None
        else:
            chain = info.certificate_chain_der
            ends = x509.load_der_x509_certificate(chain[0]).not_valid_after_utc if chain else None
        if ends is None or ends <= self._clock.now():
            raise KeyNotUsable(f"The certificate of key {info.key_id} has ended: renew it.")

    async def revoke(
        self, principal: Principal, serial: int, reason: RevocationReason, invalid_from: datetime | None
    ) -> None:
        """Revoke a certificate and publish the list; its key, if it is ours, is retired."""
        record = await self._issuer.revoke(principal, Revocation(serial, self._clock.now(), reason, invalid_from))
        self._book.age()
        if record.key_id is not None:
            await self._retire_uncertified(principal, record.key_id)

    async def _retire_uncertified(self, principal: Principal, key_id: str) -> None:
        """Retire a key once none of its certificates is good any more."""
        now = self._clock.now()
        async with self._database.read() as connection:
            key = await KeyRepository(connection).get(key_id)
            rest = await self._issuer.certificates(connection).search(key_id=key_id)
        if key.info.state in USED_STATES and all(one.revocation or one.not_after < now for one in rest):
            await self._lifecycle.retire(principal, key_id)

    async def crl(self, issuer: Issuer) -> bytes:
        """Return a list that is current."""
        return await self._issuer.crl(issuer)

    async def delta_crl(self, issuer: Issuer) -> bytes:
        """Return a delta to the newest list."""
        return await self._issuer.delta_crl(issuer)

    async def maintain(self) -> None:
        """Publish the lists that are due and renew the service's certificates before they end."""
        await self._register.refresh()
        await self._confirmations.forget()
        for issuer in self._register.authorities(LISTING_STATES):
            await self._issuer.keep(issuer)
            if self._register.authority(issuer).info.state is KeyState.RETIRING and await self._issuer.spent(issuer):
                await self._end_authority(issuer)
        for purpose in (KeyPurpose.OCSP, KeyPurpose.TSA, KeyPurpose.PRESENTATION):
            for key in self._register.all(purpose):
                if key.info.state is KeyState.ACTIVE and self._ends_soon(key.info):
                    await self._issuer.certify(SYSTEM, key.info.key_id, service_subject(key.info))

    async def _end_authority(self, issuer: Issuer) -> None:
        """Retire a replaced CA and its responder; its last list stays where it is."""
        keys = (self._register.active(KeyPurpose.OCSP, issuer), self._register.authority(issuer))
        for key in keys:
            await self._lifecycle.retire(SYSTEM, key.info.key_id)
        await self._register.refresh(force=True)

    def _ends_soon(self, info: KeyInfo) -> bool:
        """Tell whether a new certificate is due; one that ends with its CA cannot be made to last longer."""
        own, *upper = (x509.load_der_x509_certificate(der).not_valid_after_utc for der in info.certificate_chain_der)
        return own - self._clock.now() < RENEW_BEFORE and own not in upper
