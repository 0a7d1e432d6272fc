"""A sealing in the making: kept encrypted for half an hour, for the officer who began it.

Redis holds only where it lies and whose it is; if Redis forgets, the officer uploads again,
and nothing has been sealed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from foundation.errors import NotFound
from foundation.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.blobs import BlobStore
    from foundation.cache import Cache

SECONDS = 30 * 60


@dataclass(frozen=True, slots=True)
class Draft:
    """What the desk's pages pass on to each other."""

    draft_id: str
    owner: str
    document_ref: str
    file_name: str
    page_count: int
    seal_id: str
    seal_name: str
    organisation_name: str
    matter_code: str | None = None
    page: int | None = None
    """The page to look at first; None while nothing is placed, and for a seal without a picture."""
    place: dict[str, str] | None = None
    """What the form of the place held."""
    intention_id: str = ""
    preview_ref: str = ""
    digest: str = ""
    challenge: str = ""
    attachments: tuple[Mapping[str, Any], ...] = ()
    """Files within the document: name, type and size."""
    sealed: dict[str, Any] | None = None


class Drafts:
    """Keeps drafts."""

    def __init__(self, cache: Cache, blobs: BlobStore) -> None:
        """Take the cache that finds them and the store that holds them."""
        self._cache = cache
        self._blobs = blobs

    async def begin(self, document: bytes, **facts: Any) -> Draft:  # noqa: ANN401 - the fields of Draft
        """Store a document and return its draft."""
        reference = str(await self._blobs.put(document))
        draft = Draft(draft_id=new_id("dft"), document_ref=reference, **facts)
        await self._store(draft)
        return draft

    async def get(self, draft_id: str, owner: str) -> Draft:
        """Return the officer's own draft; raises NotFound."""
        pointer = await self._cache.get(f"draft:{draft_id}") if draft_id.isascii() and draft_id.isprintable() else None
        if pointer is None:
            raise NotFound("There is no such draft; it may have expired.")
        draft = Draft(**orjson.loads(await self._blobs.get(pointer.decode())))
        if draft.owner != owner:
            raise NotFound("There is no such draft; it may have expired.")
        return draft

    async def change(self, draft: Draft, **facts: Any) -> Draft:  # noqa: ANN401 - the fields of Draft
        """Store a draft with some facts replaced."""
        changed = replace(draft, **facts)
        before = await self._cache.get(f"draft:{draft.draft_id}")
        await self._store(changed)
        if before is not None:
            await self._blobs.delete(before.decode())
        return changed

    async def document(self, draft: Draft) -> bytes:
        """Return the document as it was uploaded."""
        return await self._blobs.get(draft.document_ref)

    async def put(self, data: bytes) -> str:
        """Store something that belongs to a draft and return where it lies."""
        return str(await self._blobs.put(data))

    async def read(self, reference: str) -> bytes:
        """Return what `put` stored."""
        return await self._blobs.get(reference)

    async def discard_files(self, draft: Draft) -> None:
        """Delete the upload and the preview once the sealed document is stored by `signing`."""
        for reference in filter(None, (draft.document_ref, draft.preview_ref)):
            await self._blobs.delete(reference)

    async def _store(self, draft: Draft) -> None:
        reference = await self._blobs.put(orjson.dumps(asdict(draft)))
        await self._cache.put(f"draft:{draft.draft_id}", str(reference).encode(), ttl_seconds=SECONDS)
