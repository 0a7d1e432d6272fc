"""The opened keys of one custody in this process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from foundation.settings import Profile
from keys.errors import KeyNotUsable, KeystoreLocked, KeystoreMissing, ProviderUnavailable
from keys.model import Custody
from keys.providers.software import SoftwareProvider
from keys.repository import KeyRepository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation.database import Database
    from foundation.settings import Settings
    from keys.providers.base import PrivateKey, Provider
    from keys.repository import StoredKey
    from keys.wrapping import KeyEncryptionKey

T = TypeVar("T")


def passphrase_of(settings: Settings, custody: Custody) -> str:
    """Return a custody's passphrase.

    Outside production the signer uses the general one when it has none of its own. In
    production that would undo the separation, so it is refused: KeystoreLocked.
    """
    general = settings.keystore_passphrase.get_secret_value()
    if custody is Custody.ONLINE:
        return general
    own = settings.signer_passphrase.get_secret_value()
    if settings.profile is Profile.PRODUCTION and own in ("", general):
        raise KeystoreLocked("HUFU_SIGNER_PASSPHRASE must be set for the signer, and differ from the general one.")
    return own or general


def key_file_of(settings: Settings, custody: Custody) -> Path:
    """Return where a KEK without passphrase is kept."""
    return settings.data_directory / "keystore" / f"{custody}.kek"


def open_token(settings: Settings) -> Provider:
    """Log in to the settings' PKCS #11 token; raises KeystoreLocked, ProviderUnavailable."""
    # Loading the binding loads a C library, which processes without a token do without.
    from keys.providers.pkcs11 import Pkcs11Provider, TokenAddress  # noqa: PLC0415

    address = TokenAddress(settings.pkcs11_module, settings.pkcs11_token)
    refused = settings.data_directory / "keystore" / "pkcs11-pin-refused.json"
    return Pkcs11Provider(address, settings.pkcs11_pin.get_secret_value(), refused)


class KeyRing:
    """Opens keys once and keeps them; one for each custody this process has."""

    def __init__(self, custody: Custody, settings: Settings) -> None:
        """Take the custody, and the settings with its secret."""
        self.custody = custody
        self._settings = settings
        self._providers: dict[str, Provider] = {}
        self._opened: dict[str, PrivateKey] = {}
        self._kek: KeyEncryptionKey | None = None

    @property
    def unlocked(self) -> bool:
        """Tell whether keys can be opened."""
        return bool(self._providers)

    async def unlock(self, database: Database) -> None:
        """Derive the KEK and open the devices; raises KeystoreMissing, KeystoreLocked, ProviderUnavailable."""
        if self.unlocked:
            return
        async with database.read() as connection:
            lock = await KeyRepository(connection).lock_of(self.custody)
        if lock is None:
            raise KeystoreMissing("The key ceremony has not been held: run `hufu init`.")
        passphrase, key_file = passphrase_of(self._settings, self.custody), key_file_of(self._settings, self.custody)
        # Argon2id takes 0.15 s, which would hold the loop.
        kek = await asyncio.to_thread(lock.open, self.custody, passphrase, key_file)
        await asyncio.to_thread(self.use, kek)

    def use(self, kek: KeyEncryptionKey) -> None:
        """Start with an opened KEK, and log in to the device if the keys of this custody are in one."""
        providers: dict[str, Provider] = {"software": SoftwareProvider(kek)}
        if self._settings.key_provider == "pkcs11" and self.custody is Custody.SIGNER:
            providers["pkcs11"] = open_token(self._settings)
        self._providers = providers
        self._kek = kek

    @property
    def kek(self) -> KeyEncryptionKey:
        """Return the custody's own secret, for what else only this custody may write; raises KeystoreLocked."""
        if self._kek is None:
            raise KeystoreLocked("The keystore is not open.")
        return self._kek

    def provider(self, name: str) -> Provider:
        """Return a provider; raises ProviderUnavailable."""
        try:
            return self._providers[name]
        except KeyError:
            raise ProviderUnavailable(f"The key provider {name!r} is not open in this process.") from None

    def open(self, key: StoredKey) -> PrivateKey:
        """Return an opened key; raises KeyNotUsable when its private part is elsewhere or gone."""
        opened = self._opened.get(key.info.key_id)
        if opened is None:
            if key.stored is None or key.custody is not self.custody:
                raise KeyNotUsable(f"The private part of key {key.info.key_id} is not held here.")
            opened = self.provider(key.provider).open(key.identity, key.stored, key.info.public_key_der)
            self._opened[key.info.key_id] = opened
        return opened

    async def run(self, key: StoredKey, work: Callable[[], T]) -> T:
        """Do work that signs with a key: here, or in a thread when the key sits in a device."""
        if self.provider(key.provider).blocking:
            return await asyncio.to_thread(work)
        return work()

    def forget(self, key_id: str) -> None:
        """Drop an opened key."""
        self._opened.pop(key_id, None)

    def close(self) -> None:
        """Drop every opened key and close the devices."""
        self._opened.clear()
        for provider in self._providers.values():
            provider.close()
        self._providers.clear()
        self._kek = None
