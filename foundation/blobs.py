"""Files at rest: sealed PDFs, rendered licences, uploads.

Each blob has a data key of its own (AES-256-GCM), wrapped by the field keys and kept
in the reference, so that a copied store tells nothing and rotating the field keys
rewrites references, not files. The store is a directory or any S3-compatible service,
by setting. References are short text that callers keep in their own rows, which makes
the row and its file one thing: a file whose transaction rolled back is never referenced.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from foundation.encryption import FieldCipher, UndecryptableField
from foundation.errors import NotFound, ServiceUnavailable
from foundation.ids import new_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from obstore.store import ClientConfig, RetryConfig

    from foundation.settings import Settings

NONCE_BYTES = 12
KEY_CONTEXT = "blobs.key"
_NAME = re.compile(r"blob_[0-9a-v]{26}")
# By default the client tries for three minutes; whoever waits for a file has long gone then.
_CLIENT: ClientConfig = {"connect_timeout": "3s", "timeout": "30s"}
_RETRY: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Where a blob is and how it opens; `str()` is the form to store.

    `sha256` and `size` are those of the plaintext.
    """

    name: str
    sha256: bytes
    size: int
    wrapped_key: bytes

    def __str__(self) -> str:
        wrapped = base64.urlsafe_b64encode(self.wrapped_key).decode().rstrip("=")
        return f"{self.name}.{self.sha256.hex()}.{self.size}.{wrapped}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str()` wrote; raises UndecryptableField."""
        try:
            name, digest, size, wrapped = text.split(".")
            if not _NAME.fullmatch(name):
                raise UndecryptableField("The blob reference names no blob.")
            return cls(name, bytes.fromhex(digest), int(size), base64.urlsafe_b64decode(wrapped + "=" * 3))
        except (ValueError, binascii.Error) as error:
            raise UndecryptableField("The blob reference is malformed.") from error


class BlobStore:
    """Encrypted files in a directory or an S3-compatible service."""

    def __init__(self, store: ObjectStore, cipher: FieldCipher) -> None:
        """Take the object store and the cipher that wraps data keys."""
        self._store = store
        self._cipher = cipher

    @classmethod
    def in_directory(cls, directory: Path, cipher: FieldCipher) -> BlobStore:
        """Keep blobs in a directory, created when missing."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(LocalStore(directory), cipher)

    @classmethod
    def from_settings(cls, settings: Settings, cipher: FieldCipher) -> BlobStore:
        """Open the store that HUFU_BLOB_URL names, or `blobs` in the data directory."""
        if not settings.blob_url:
            return cls.in_directory(settings.data_directory / "blobs", cipher)
        if urlsplit(settings.blob_url).scheme == "file":
            return cls(LocalStore.from_url(settings.blob_url, mkdir=True), cipher)
        # Options of ours replace those of the environment, of which this one counts.
        plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"
        options: ClientConfig = {**_CLIENT, "allow_http": plain}
        return cls(from_url(settings.blob_url, client_options=options, retry_config=_RETRY), cipher)

    async def put(self, data: bytes) -> BlobRef:
        """Store bytes under a new name; raises ServiceUnavailable.

        Call it before the transaction that keeps the reference, never inside it.
        """
        name = new_id("blob")
        key, nonce = AESGCM.generate_key(256), os.urandom(NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, data, name.encode())
        try:
            await self._store.put_async(_path(name), sealed)
        except (BaseError, OSError) as error:
            raise ServiceUnavailable("The file store is not reachable now.") from error
        wrapped = self._cipher.encrypt_bytes(key, KEY_CONTEXT)
        return BlobRef(name, hashlib.sha256(data).digest(), len(data), wrapped)

    async def get(self, reference: BlobRef | str) -> bytes:
        """Return a blob's plaintext, checked against its reference.

        Raises: NotFound, ServiceUnavailable, UndecryptableField when the file was altered or exchanged.
        """
        ref = BlobRef.parse(reference) if isinstance(reference, str) else reference
        sealed = await self._read(_path(ref.name))
        key = self._cipher.decrypt_bytes(ref.wrapped_key, KEY_CONTEXT)
        try:
            data = AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], ref.name.encode())
        except (InvalidTag, ValueError) as error:
            raise UndecryptableField("The stored file does not decrypt.") from error
        if not hmac.compare_digest(hashlib.sha256(data).digest(), ref.sha256):
            raise UndecryptableField("The stored file is not the one referred to.")
        return data

    async def _read(self, path: str) -> bytes:
        try:
            result = await self._store.get_async(path)
            return bytes(await result.bytes_async())
        except FileNotFoundError as error:
            raise NotFound("There is no such file.") from error
        except (BaseError, OSError) as error:
            raise ServiceUnavailable("The file store is not reachable now.") from error

    async def delete(self, reference: BlobRef | str) -> None:
        """Delete a blob; one that is gone already is fine."""
        ref = BlobRef.parse(reference) if isinstance(reference, str) else reference
        try:
            await self._store.delete_async(_path(ref.name))
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise ServiceUnavailable("The file store is not reachable now.") from error

    async def names(self) -> AsyncIterator[str]:
        """Yield the names of all blobs, for a backup."""
        async for batch in self._store.list():
            for entry in batch:
                yield entry["path"].rpartition("/")[2]

    async def sealed(self, name: str) -> bytes:
        """Return a blob's file as stored, still encrypted; raises NotFound, ServiceUnavailable."""
        return await self._read(_path(name))

    async def put_sealed(self, name: str, sealed: bytes) -> None:
        """Put back a file that `sealed` gave; raises ServiceUnavailable."""
        try:
            await self._store.put_async(_path(name), sealed)
        except (BaseError, OSError) as error:
            raise ServiceUnavailable("The file store is not reachable now.") from error


def _path(name: str) -> str:
    """Return the object's path; two levels, so that no directory grows past all use."""
    tail = name.rpartition("_")[2]
    return f"{tail[-2:]}/{tail[-4:-2]}/{name}"
