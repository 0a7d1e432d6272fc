"""Blobs come back as they went in, encrypted meanwhile, and never exchanged for another."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from typing import TYPE_CHECKING

import pytest

from foundation.blobs import BlobRef, BlobStore
from foundation.encryption import FieldCipher, UndecryptableField
from foundation.errors import NotFound, ServiceUnavailable
from tests.support.object_store import BUCKET, ObjectStoreServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from foundation.settings import Settings

DATA = b"%PDF-1.7 " + bytes(range(256)) * 40
NAMELESS = f"blob_{'0' * 26}.00.1.AA"


async def test_round_trip_through_the_text_form(blobs: BlobStore) -> None:
    ref = await blobs.put(DATA)
    assert (ref.sha256, ref.size) == (hashlib.sha256(DATA).digest(), len(DATA))
    assert BlobRef.parse(str(ref)) == ref
    assert await blobs.get(str(ref)) == await blobs.get(ref) == DATA


async def test_an_empty_blob(blobs: BlobStore) -> None:
    assert await blobs.get(await blobs.put(b"")) == b""


def files(directory: Path, name: str = "*") -> list[Path]:
    return [path for path in directory.rglob(name) if path.is_file()]


async def test_nothing_of_the_plaintext_lies_on_disk(blobs: BlobStore, blob_directory: Path) -> None:
    await blobs.put(DATA)
    stored = b"".join(path.read_bytes() for path in files(blob_directory))
    assert len(stored) > len(DATA)
    assert DATA[:32] not in stored


async def test_deleting_twice_is_fine_and_then_it_is_gone(blobs: BlobStore) -> None:
    ref = await blobs.put(DATA)
    await blobs.delete(ref)
    await blobs.delete(ref)
    with pytest.raises(NotFound):
        await blobs.get(ref)


async def test_a_flipped_bit_is_noticed(blobs: BlobStore, blob_directory: Path) -> None:
    ref = await blobs.put(DATA)
    (path,) = files(blob_directory)
    altered = bytearray(path.read_bytes())
    altered[len(altered) // 2] ^= 1
    path.write_bytes(bytes(altered))
    with pytest.raises(UndecryptableField):
        await blobs.get(ref)


async def test_another_file_in_its_place_is_noticed(blobs: BlobStore, blob_directory: Path) -> None:
    first = await blobs.put(DATA)
    second = await blobs.put(b"another")
    (a,), (b,) = (files(blob_directory, ref.name) for ref in (first, second))
    b.write_bytes(a.read_bytes())
    with pytest.raises(UndecryptableField):
        await blobs.get(second)
    with pytest.raises(UndecryptableField):
        await blobs.get(dataclasses.replace(second, wrapped_key=first.wrapped_key))


async def test_old_references_open_after_the_field_keys_rotate(blobs: BlobStore, blob_directory: Path) -> None:
    ref = await blobs.put(DATA)
    rotated = FieldCipher({1: bytes(range(32)), 2: bytes(32)}, bytes(range(32, 64)))
    assert await BlobStore.in_directory(blob_directory, rotated).get(ref) == DATA


@pytest.mark.parametrize("text", ["", "blob_1", "a.b.c.d", "blob_1.00.5.!!!", "../../etc.00.1.AA", NAMELESS])
async def test_a_malformed_reference_reads_nothing(blobs: BlobStore, text: str) -> None:
    with pytest.raises((UndecryptableField, NotFound)):
        await blobs.get(text)


class TestObjectStore:
    """The same over an S3-compatible service, by setting."""

    @pytest.fixture
    def server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStoreServer]:
        with ObjectStoreServer() as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            yield server

    @pytest.fixture
    def remote(self, server: ObjectStoreServer, settings: Settings, cipher: FieldCipher) -> BlobStore:
        assert server.objects == {}
        return BlobStore.from_settings(settings.model_copy(update={"blob_url": f"s3://{BUCKET}/hufu"}), cipher)

    async def test_round_trip_and_names(self, remote: BlobStore, server: ObjectStoreServer) -> None:
        ref = await remote.put(DATA)
        assert await remote.get(str(ref)) == DATA
        assert [name async for name in remote.names()] == [ref.name]
        (key,) = server.objects
        assert key.startswith("hufu/")
        assert DATA[:32] not in server.objects[key]
        assert server.signed

    async def test_gone_is_not_found_and_deleting_twice_is_fine(self, remote: BlobStore) -> None:
        ref = await remote.put(DATA)
        await remote.delete(ref)
        await remote.delete(ref)
        with pytest.raises(NotFound):
            await remote.get(ref)

    async def test_a_service_that_fails_is_unavailable_in_time(
        self, remote: BlobStore, server: ObjectStoreServer
    ) -> None:
        ref = await remote.put(DATA)
        server.failing = True
        async with asyncio.timeout(15):
            with pytest.raises(ServiceUnavailable):
                await remote.get(ref)
            with pytest.raises(ServiceUnavailable):
                await remote.put(DATA)
        server.failing = False
        assert await remote.get(ref) == DATA
