"""Documents the tests upload."""

from __future__ import annotations

import io

import pikepdf


def blank_pdf(pages: int = 1) -> bytes:
    """Return an A4 document without content."""
    made = pikepdf.new()
    for _ in range(pages):
        made.add_blank_page(page_size=(595, 842))
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()
