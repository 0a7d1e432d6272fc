"""The annotations that show a seal: appearance streams and where they lie on the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signing.captions import compose
from signing.drawing import COLOUR_SPACE
from signing.pdf_update import reference

if TYPE_CHECKING:
    from signing.captions import Caption
    from signing.marks import Mark, Strip
    from signing.pdf_file import PdfFile
    from signing.pdf_update import PdfUpdate

UPRIGHT = {0: b"", 90: b"/Matrix[0 1 -1 0 0 0]", 180: b"/Matrix[-1 0 0 -1 0 0]", 270: b"/Matrix[0 -1 1 0 0 0]"}
"""Turns a picture back on a page that is shown turned."""


class Pictures:
    """Writes the seal once and refers to it from every place; like places share an appearance."""

    def __init__(self, file: PdfFile, update: PdfUpdate, form: bytes, caption: Caption) -> None:
        """Take the seal's operators on the unit square, deflated, and what stands beside it."""
        self._file = file
        self._update = update
        self._form = form
        self._caption = caption
        self._seal: int | None = None
        self._appearances: dict[tuple[float, float, int, Strip | None], int] = {}

    def place(self, mark: Mark) -> bytes:
        """Return /P, /Rect and /AP of an annotation."""
        box = self._file.page_box(mark.page)
        corners = b" ".join(b"%.3f" % corner for corner in box.to_user_space(mark.x, mark.y, mark.width, mark.height))
        appearance = self._appearance(mark, box.rotation)
        page = reference(*self._file.page(mark.page).objgen)
        return b"/P %s/Rect[%s]/AP<</N %s>>" % (page, corners, reference(appearance))

    def _appearance(self, mark: Mark, rotation: int) -> int:
        key = (mark.width, mark.height, rotation, mark.strip)
        number = self._appearances.get(key)
        if number is None:
            number = self._appearances[key] = self._new_appearance(mark, rotation)
        return number

    def _new_appearance(self, mark: Mark, rotation: int) -> int:
        if self._seal is None:
            self._seal = self._drawing(self._form)
        drawings = b"/S " + reference(self._seal)
        if mark.strip is not None:
            # The whole picture is drawn moved to the left; the form's own box cuts the strip out.
            place = (mark.width * mark.strip.count, mark.height, -mark.width * mark.strip.index, 0.0)
            content = b"q %.3f 0 0 %.3f %.3f %.3f cm /S Do Q" % place
        elif self._caption:
            composed = compose(self._caption, mark.width, mark.height)
            drawings += b"/C " + reference(self._drawing(composed.form))
            content = b"q %.3f 0 0 %.3f %.3f %.3f cm /S Do Q q %.3f 0 0 %.3f 0 0 cm /C Do Q" % (
                composed.seal_side,
                composed.seal_side,
                composed.seal_x,
                composed.seal_y,
                composed.unit,
                composed.unit,
            )
        else:
            side = min(mark.width, mark.height)
            place = (side, side, (mark.width - side) / 2, (mark.height - side) / 2)
            content = b"q %.3f 0 0 %.3f %.3f %.3f cm /S Do Q" % place
        return self._update.add_stream(
            b"/Type/XObject/Subtype/Form/BBox[0 0 %.3f %.3f]%s/Resources<</XObject<<%s>>>>"
            % (mark.width, mark.height, UPRIGHT[rotation], drawings),
            content,
        )

    def _drawing(self, form: bytes) -> int:
        """Write operators on the unit square as a form of their own."""
        return self._update.add_stream(
            b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<<%s>>/Filter/FlateDecode" % COLOUR_SPACE, form
        )
