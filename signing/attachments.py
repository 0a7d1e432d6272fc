"""Files within a file: found, measured and named, so that nobody seals them unseen."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import pikepdf

from signing.model import Attachment

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_NAME_CHARS = 200
MAX_TYPE_CHARS = 100
MAX_DEPTH = 5


class Attachments:
    """What the walk over a document's objects meets of embedded files."""

    def __init__(self) -> None:
        """Begin with none."""
        self._streams: dict[tuple[int, int], Any] = {}
        self._names: dict[tuple[int, int], dict[str, None]] = {}

    def meet(self, value: Any) -> None:  # noqa: ANN401 - pikepdf objects carry no useful static type
        """Take a dictionary or stream: a file specification names its streams, one without stands for itself."""
        if isinstance(value, pikepdf.Stream):
            if value.get("/Type") == "/EmbeddedFile":
                self._add(value, ())
        elif "/EF" in value:
            names = tuple(_text(value[key]) for key in ("/UF", "/F", "/Unix", "/Mac", "/DOS") if key in value)
            for key in ("/EF", "/RF"):
                for stream in _streams(value.get(key), MAX_DEPTH):
                    self._add(stream, names)

    def found(self) -> tuple[Attachment, ...]:
        """Return every embedded file once, by name."""
        files = (
            Attachment(
                " / ".join(self._names[number]), _text(stream.get("/Subtype", ""), MAX_TYPE_CHARS), _size(stream)
            )
            for number, stream in self._streams.items()
        )
        return tuple(sorted(files, key=lambda each: (each.name, each.size)))

    def _add(self, stream: Any, names: tuple[str, ...]) -> None:  # noqa: ANN401
        self._streams[stream.objgen] = stream
        # Readers differ in which of several names they show.
        self._names.setdefault(stream.objgen, {}).update(dict.fromkeys(name for name in names if name))


def _streams(value: Any, depth: int) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(value, pikepdf.Stream):
        yield value
    elif depth and isinstance(value, (pikepdf.Dictionary, pikepdf.Array)):
        for entry in value.values() if isinstance(value, pikepdf.Dictionary) else value:
            yield from _streams(entry, depth - 1)


def _size(stream: Any) -> int:  # noqa: ANN401
    """Return how long the file is once it is taken out, not how long it says it is."""
    try:
        return len(stream.get_stream_buffer())
    except pikepdf.PdfError:
        return len(stream.get_raw_stream_buffer())


def _text(value: Any, limit: int = MAX_NAME_CHARS) -> str:  # noqa: ANN401
    """Return a name fit for a page: nothing in it that breaks a line or turns its direction."""
    text = str(value).removeprefix("/") if isinstance(value, (pikepdf.String, pikepdf.Name)) else ""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(one)[0] in "CZ" and one != " " else one
        for one in text[:limit]
    )
