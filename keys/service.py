"""Keys for every other package: public facts, and signatures over digests."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.errors import ServiceUnavailable
from foundation.kept import Kept
from keys.algorithms import P256_SHA256, for_jws, profile
from keys.certificate_repository import CertificateRepository
from keys.errors import KeyNotFound, UnsupportedAlgorithm
from keys.model import LISTING_STATES, ONLINE_PURPOSES, PUBLISHED_STATES, KeyInfo, KeyPurpose, KeyState
from keys.repository import KeyRepository
from keys.trust import TrustAnchors

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from keys.certificates import Issuer
    from keys.dual_control import Act, DualControl
    from keys.keyring import KeyRing
    from keys.lifecycle import Lifecycle
    from keys.providers.base import PrivateKey
    from keys.register import Register
    from keys.seal_proofs import Confirmer
    from keys.signer.port import Signer

WATCH_SECONDS = 0.5
KEPT_SECONDS = 1.0
KEPT_COUNT = 10_000
TRUSTED_STATES = LISTING_STATES | {KeyState.RETIRED}

_log = logging.getLogger(__name__)


def resolve_algorithm(name: str) -> str:
    """Return the profile name of an algorithm given as `ecdsa-p256-sha256` or as `ES256`."""
    try:
        return profile(name).name
    except UnsupportedAlgorithm:
        return for_jws(name).name


class KeyService:
    """The face of the key store.

    Acts commit by themselves, in the signer's own transaction: a key or certificate
    that exists must be on record even when the caller's transaction fails. Call them
    outside your own transaction.
    """

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        register: Register,
        online: KeyRing,
        lifecycle: Lifecycle,
        signer: Signer,
        control: DualControl,
    ) -> None:
        """Hold the online keys here (`online`, `lifecycle`) and ask `signer` for the rest."""
        self._database = database
        self._cipher = cipher
        self._register = register
        self._online = online
        self._lifecycle = lifecycle
        self._signer = signer
        self._control = control
        self._kept: Kept[str, KeyInfo] = Kept(self._read, seconds=KEPT_SECONDS, at_most=KEPT_COUNT)

    async def load(self) -> None:
        """Read the service's own keys and open the online ones; call once at start.

        Raises: KeystoreMissing before the ceremony; KeystoreLocked; ProviderUnavailable.
        """
        await self._register.refresh(force=True)
        await self._online.unlock(self._database)
        for purpose in ONLINE_PURPOSES:
            for key in self._register.all(purpose):
                if key.info.state is KeyState.ACTIVE:
                    self._online.open(key)
        await self._signer.load()

    async def watch(self) -> None:
        """Notice changed keys within a second, forever; run as a background task."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._register.refresh(force=True)
            except ServiceUnavailable:
                _log.warning("the key store cannot be read; going on with the keys known")

    async def refresh(self, *, force: bool = False) -> None:
        """Look at the store now if the last look has aged, where no `watch` runs."""
        if force:
            self._kept.forget()
        await self._register.refresh(force=force)

    async def create(
        self, principal: Principal, purpose: KeyPurpose, owner: str, algorithm: str = P256_SHA256
    ) -> KeyInfo:
        """Make a key pair; it is pending until a certificate is issued for it, or `activate` is called.

        `owner` is the seal's id for seals, our person number for persons, empty for the
        service's own. Raises: UnsupportedAlgorithm, ProviderUnavailable.
        """
        name = resolve_algorithm(algorithm)
        if purpose in ONLINE_PURPOSES:
            info = await self._lifecycle.create(principal, purpose, owner, name)
            await self._register.refresh(force=True)
            return info
        return await self._signer.create_key(principal, purpose, owner, name)

    async def activate(self, principal: Principal, key_id: str) -> KeyInfo:
        """Make a pending key active; the one it replaces becomes retiring. Raises: KeyNotUsable."""
        info = await self.get(key_id)
        online = info.purpose in ONLINE_PURPOSES
        act = self._lifecycle.activate if online else self._signer.activate_key
        return await self._changed(await act(principal, key_id))

    async def retire(self, principal: Principal, key_id: str) -> KeyInfo:
        """End a key's use; what it signed stays valid. Raises: KeyNotUsable."""
        online = (await self.get(key_id)).purpose in ONLINE_PURPOSES
        act = self._lifecycle.retire if online else self._signer.retire_key
        return await self._changed(await act(principal, key_id))

    async def compromise(self, principal: Principal, key_id: str, not_trusted_from: datetime) -> KeyInfo:
        """Mark a key compromised and revoke its certificates from a moment on; cannot be undone."""
        online = (await self.get(key_id)).purpose in ONLINE_PURPOSES
        act = self._lifecycle.compromise if online else self._signer.compromise_key
        return await self._changed(await act(principal, key_id, not_trusted_from))

    async def request(self, principal: Principal, act: Act, object_id: str) -> str:
        """Ask, as the first of two operators, for what another one then does; returns the request's id."""
        async with self._database.transaction() as connection:
            return await self._control.request(connection, principal, act, object_id)

    async def destroy(self, principal: Principal, key_id: str) -> KeyInfo:
        """Erase the private part of a key that is out of use; another operator has asked for it.

        Raises: SecondOperatorRequired, KeyNotUsable.
        """
        online = (await self.get(key_id)).purpose in ONLINE_PURPOSES
        act = self._lifecycle.destroy if online else self._signer.destroy_key
        return await self._changed(await act(principal, key_id))

    async def _changed(self, info: KeyInfo) -> KeyInfo:
        await self.refresh(force=True)  # the key it replaced has changed too
        return info

    async def active(self, purpose: KeyPurpose, owner: str = "") -> KeyInfo:
        """Return the key now used for a purpose and owner; raises KeyNotFound."""
        if purpose in (KeyPurpose.SEAL, KeyPurpose.PERSON):
            async with self._database.read() as connection:
                return await self._complete((await KeyRepository(connection).active(purpose, owner)).info)
        await self._register.refresh()
        return self._register.active(purpose, owner).info

    async def get(self, key_id: str) -> KeyInfo:
        """Return one key in any state, at most a second old; raises KeyNotFound."""
        return await self._kept(key_id)

    async def _read(self, key_id: str) -> KeyInfo:
        async with self._database.read() as connection:
            info = (await KeyRepository(connection).get(key_id)).info
        return await self._complete(info)

    async def _complete(self, info: KeyInfo) -> KeyInfo:
        """Put a person's own certificate, which is stored encrypted, in front of the chain."""
        if info.purpose is not KeyPurpose.PERSON or not info.certificate_chain_der:
            return info
        async with self._database.read() as connection:
            newest = await CertificateRepository(connection, self._cipher).search(key_id=info.key_id, limit=1)
        return replace(info, certificate_chain_der=(newest[0].certificate_der, *info.certificate_chain_der))

    def verification_keys(self, purpose: KeyPurpose) -> tuple[KeyInfo, ...]:
        """Return the service's own keys a verifier needs, retired and compromised ones too, from memory."""
        return tuple(key.info for key in self._register.all(purpose))

    def published_keys(self, purpose: KeyPurpose) -> tuple[KeyInfo, ...]:
        """Return the keys that stand in a key set: next, current and still valid earlier ones."""
        return tuple(info for info in self.verification_keys(purpose) if info.state in PUBLISHED_STATES)

    def open_online(self, purpose: KeyPurpose, algorithm: str) -> tuple[KeyInfo, PrivateKey]:
        """Return the active online key of an algorithm, opened; for `keys.jws` only. Raises: KeyNotFound."""
        key = self._register.active(purpose, "", algorithm)
        return key.info, self._online.open(key)

    async def sign_digest(
        self, key_id: str, purpose: KeyPurpose, digest: bytes, *, intention_id: str | None = None
    ) -> bytes:
        """Sign a 32-byte SHA-256 digest: ECDSA as DER, RSA as PKCS #1 v1.5.

        Seal keys need the `intention_id` of a committed intention that names the digest.
        Raises: KeyNotFound, WrongPurpose, KeyNotUsable, IntentionMissing, ProviderUnavailable.
        """
        return await self._signer.sign_digest(key_id, purpose, digest, intention_id)

    async def sign_message(self, key_id: str, purpose: KeyPurpose, message: bytes) -> bytes:
        """Sign a message with a qr, status_list, trust_list or checkpoint key (Ed25519 keys sign no digests)."""
        return await self._signer.sign_message(key_id, purpose, message)

    async def authority(self, issuer: Issuer) -> KeyInfo:
        """Return the key of a CA that is, or was, trusted; raises KeyNotFound."""
        await self._register.refresh()
        info = self._register.authority(issuer).info
        if info.state not in TRUSTED_STATES:
            raise KeyNotFound("This CA is not trusted.")
        return info

    async def authorities(self) -> tuple[Issuer, ...]:
        """Return the issuing CAs that answer for what they issued, all generations."""
        await self._register.refresh()
        return self._register.authorities(LISTING_STATES)

    async def try_key(self, key_id: str) -> None:
        """Check that a seal's key signs under its certificate; raises KeyNotUsable, ProviderUnavailable."""
        await self._signer.try_key(key_id)

    async def pin(self, principal: Principal, confirmer: Confirmer) -> None:
        """Have the signer pin who or what confirms seals; another operator has asked (`Act.PIN`).

        Raises: SecondOperatorRequired, InvalidInput.
        """
        await self._signer.pin(principal, confirmer)

    async def unpin(self, principal: Principal, confirmer_id: str) -> None:
        """Take a pin back; raises NotFound."""
        await self._signer.unpin(principal, confirmer_id)

    async def trust_anchors(self) -> TrustAnchors:
        """Return the public CA certificates; a compromised CA is left out."""
        await self._register.refresh()

        def certificates(purpose: KeyPurpose) -> tuple[bytes, ...]:
            keys = self.verification_keys(purpose)
            return tuple(key.certificate_chain_der[0] for key in keys if key.state in TRUSTED_STATES)

        return TrustAnchors(certificates(KeyPurpose.ROOT_CA), certificates(KeyPurpose.ISSUING_CA))

    async def close(self) -> None:
        """Drop the opened keys and leave the signer."""
        self._online.close()
        await self._signer.close()
