"""pyHanko's reader, where the original takes too long.

The index of an object stream is read once: the original walks the whole of it for each object,
which makes a file with many objects take time in the square of their number. A hexadecimal
string is read at once: the original calls two functions for each digit, and the signature values
alone have tens of thousands. In a file of fifty seals, each judged against the revision before it, the history of every
object is looked up thousands of times: it is looked up once. What is read is the same, and stricter.
"""

from __future__ import annotations

import io
import re
from binascii import unhexlify
from functools import cache
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader

_DIGITS = re.compile(rb"[0-9A-Fa-f]*")
_FIRST_LOOK = 1024
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_read_by_character = generic.read_hex_string_from_stream
_read_escaped = generic._decode_name  # noqa: SLF001 - nothing public reads names


def read_hex_string(stream: Any) -> Any:  # noqa: ANN401 - as pyHanko has it
    """Read `<` digits `>` in one go; whatever else stands there is left to pyHanko, from the start."""
    start, ahead = stream.tell(), _FIRST_LOOK
    while True:
        text = stream.read(ahead)
        end = text.find(b">")
        if end >= 0 or len(text) < ahead:
            break
        stream.seek(start)
        ahead *= 8
    stream.seek(start)
    digits = text[1:end]
    if end < 0 or len(digits) % 2 or not _DIGITS.fullmatch(digits):
        return _read_by_character(stream)
    stream.seek(start + end + 1)
    return generic.pdf_string(unhexlify(digits))


def read_name(name_bytes: bytes) -> generic.NameObject:
    """Read a name whose bytes beyond ASCII stand as they are, as names of fonts in GBK often do."""
    return _read_escaped(_BEYOND_ASCII.sub(lambda byte: b"#%02x" % byte[0][0], name_bytes))


# pyHanko offers no other place for either; what comes out is the same for every user of it.
generic.read_hex_string_from_stream = read_hex_string
generic._decode_name = read_name  # noqa: SLF001


class _Revision(HistoricalResolver):
    """A view of one revision that copies only what it has to."""

    def _subsume_object(self, obj: Any) -> Any:  # noqa: ANN401 - any PDF object
        # Numbers, names and texts are shared: most values are, and the original makes a reference for each first.
        return super()._subsume_object(obj) if isinstance(obj, _MADE_ANEW) else obj  # type: ignore[no-untyped-call] # pyHanko is partly typed


_MADE_ANEW = (generic.DictionaryObject, generic.ArrayObject, generic.IndirectObject, generic.DecryptedObjectProxy)


class IndexedReader(PdfFileReader):
    """A reader that keeps the index of each object stream, and where each object changed."""

    def __init__(self, document: bytes, *, strict: bool) -> None:
        """Read the cross-references of a document."""
        self._indexes: dict[int, tuple[bytes, tuple[tuple[int, int], ...]]] = {}
        super().__init__(io.BytesIO(document), strict=strict)
        # Both walk all revisions at each call; once the cross-references are read, their answers stay the same.
        for name in ("get_last_change", "get_introducing_revision"):
            setattr(self.xrefs, name, cache(getattr(self.xrefs, name)))

    def get_historical_resolver(self, revision: int) -> HistoricalResolver:
        """Return the view of a revision, the same one each time."""
        if revision not in self._historical_resolver_cache:
            self._historical_resolver_cache[revision] = _Revision(self, revision)
        return self._historical_resolver_cache[revision]

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> Any:  # noqa: ANN401 - any PDF object
        data, index = self._index(stmnum)
        if not 0 <= idx < len(index) or index[idx][0] != idnum:
            raise PdfReadError("An object is not where the cross-references say.")
        stream = io.BytesIO(data)
        stream.seek(index[idx][1])
        value = generic.read_object(stream, generic.Reference(idnum, 0, self))
        if isinstance(value, (generic.StreamObject, generic.IndirectObject)):
            raise PdfReadError("An object stream holds what it must not hold.")
        return value

    def _index(self, number: int) -> tuple[bytes, tuple[tuple[int, int], ...]]:
        if number not in self._indexes:
            stream = generic.Reference(number, 0, self).get_object()
            if not isinstance(stream, generic.StreamObject) or stream["/Type"] != "/ObjStm":
                raise PdfReadError("An object stream is none.")
            data, first = stream.read_data(DecodePurpose.OBJECT_STREAM), int(stream["/First"])
            numbers = [int(word) for word in data[:first].split()]
            if len(numbers) < 2 * stream["/N"]:
                raise PdfReadError("The index of an object stream is damaged.")
            pairs = zip(numbers[::2], numbers[1::2], strict=False)
            self._indexes[number] = data, tuple((item, first + offset) for item, offset in pairs)
        return self._indexes[number]
