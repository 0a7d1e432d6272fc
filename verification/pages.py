"""What two pictures of a document tell: its sealed revision beside the file, or the file beside a fresh rendering."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PagePair:
    """One page as it was sealed and as the file shows it now, in PNG.

    `sealed_png` is empty where no sealed revision has the page, `now_png` where the page looks the same or is gone.
    `changed` frames what differs, in pixels of the pictures: left, top, right, bottom.
    """

    page: int
    sealed_png: bytes
    now_png: bytes
    changed: tuple[int, int, int, int] | None = None

    @property
    def same(self) -> bool:
        """Tell whether the page shows what was sealed."""
        return bool(self.sealed_png) and not self.now_png and self.changed is None


@dataclass(frozen=True, slots=True)
class Previews:
    """Some pages, the changed ones first; `page_count` is that of the file."""

    pages: tuple[PagePair, ...]
    page_count: int


@dataclass(frozen=True, slots=True)
class PageDifference:
    """Where a document differs from a fresh rendering: on a `page` from 1 by its `text` or `picture`.

    Page 0 with `pages` says that their number differs; `code` that a copy bears no code that could be its own.
    """

    page: int
    what: str
