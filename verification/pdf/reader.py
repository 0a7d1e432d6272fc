"""pyHanko's reader, reading the index of an object stream once instead of once an object.

The original walks the whole index for each object, which makes a file with many objects
take time in the square of their number. What is read is the same, and stricter.
"""

from __future__ import annotations

import io
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader


class IndexedReader(PdfFileReader):
    """A reader that keeps the index of each object stream."""

    def __init__(self, document: bytes, *, strict: bool) -> None:
        """Read the cross-references of a document."""
        self._indexes: dict[int, tuple[bytes, tuple[tuple[int, int], ...]]] = {}
        super().__init__(io.BytesIO(document), strict=strict)

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
