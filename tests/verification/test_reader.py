"""The quick way to read hexadecimal strings, beside pyHanko's own."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfStreamError

from verification.pdf import reader

if TYPE_CHECKING:
    from collections.abc import Callable

PIECES = st.sampled_from([b"0", b"a", b"F", b"9", b"00", b"FEFF", b" ", b"\n", b"\0", b"%x\n", b">", b"<", b"g", b"("])
STRINGS = st.lists(PIECES, max_size=40).map(b"".join)


def outcome(read: Callable[[Any], Any], text: bytes) -> tuple[str, Any, int]:
    stream = io.BytesIO(text)
    stream.seek(2)
    try:
        value = read(stream)
    except PdfStreamError:
        return "refused", None, 0
    return type(value).__name__, value, stream.tell()


@given(STRINGS, st.sampled_from([b">", b"> 1 0 R", b""]))
def test_what_is_read_is_what_pyhanko_reads(digits: bytes, after: bytes) -> None:
    text = b"xx<" + digits + after
    assert outcome(generic.read_hex_string_from_stream, text) == outcome(reader._read_by_character, text)


@pytest.mark.parametrize("size", [0, 1021, 1022, 1023, 1024, 8190, 8192, 20_000])
def test_strings_of_every_length_are_read_to_their_end(size: int) -> None:
    text = b"xx<" + b"5A" * size + b">rest"
    assert outcome(generic.read_hex_string_from_stream, text) == outcome(reader._read_by_character, text)
