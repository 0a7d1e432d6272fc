"""Could a page show a code? Told from what it is drawn with, for drawing it at length costs a hundred times more.

What pdfium lists of a page are pictures, lines and text. Tiling patterns, glyphs that are little drawings, masks and
annotations are not among it: whether a page uses any is read from its resources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pikepdf
import pypdfium2.raw as pdfium_c

if TYPE_CHECKING:
    import pypdfium2 as pdfium

_DEPTH = 4
_OBJECTS = 3_000
_RESOURCES = 300
_SEGMENTS = 1_200
"""Lines that draw a small code; tables and stamps have fewer."""


def may_hold_pictures(dictionary: pikepdf.Object, page: pdfium.PdfPage) -> bool:
    """Tell whether a page holds pictures, lines enough, or what may hide either.

    Args:
        dictionary: the page as qpdf reads it.
        page: the same page in pdfium.
    """
    return (
        any(_is_drawn(annotation) for annotation in dictionary.get("/Annots", ()))
        or _resources_hide(_inherited(dictionary, "/Resources"))
        or _objects_show(page)
    )


def _inherited(item: pikepdf.Object, key: str) -> pikepdf.Object | None:
    for _ in range(_RESOURCES):
        if key in item:
            return item[key]
        if "/Parent" not in item:
            return None
        item = item["/Parent"]
    return None


def _is_drawn(annotation: pikepdf.Object) -> bool:
    """Tell whether an annotation shows something, seals apart."""
    kind = annotation.get("/Subtype")
    if kind == pikepdf.Name.Widget:
        return _inherited(annotation, "/FT") != pikepdf.Name.Sig
    return "/AP" in annotation or kind not in {pikepdf.Name.Link, pikepdf.Name.Popup}


def _resources_hide(resources: pikepdf.Object | None) -> bool:
    """Tell whether a page or a form nested in it may use a pattern, a drawn font or a mask."""
    pending = [] if resources is None else [(resources, 0)]
    seen: set[tuple[int, int]] = set()
    while pending:
        item, depth = pending.pop()
        if len(seen) > _RESOURCES or depth > _DEPTH or item.get("/Pattern"):
            return True
        if any(font.get("/Subtype") == pikepdf.Name.Type3 for font in item.get("/Font", {}).values()):
            return True
        states = item.get("/ExtGState", {}).values()
        if any("/Font" in state or isinstance(state.get("/SMask"), pikepdf.Dictionary) for state in states):
            return True
        for form in item.get("/XObject", {}).values():
            if "/Resources" in form and form.objgen not in seen:
                seen.add(form.objgen)
                pending.append((form["/Resources"], depth + 1))
    return False


def _objects_show(page: pdfium.PdfPage) -> bool:
    """Tell whether pdfium lists a picture, or lines enough."""
    objects = (pdfium_c.FPDFPage_GetObject(page.raw, at) for at in range(pdfium_c.FPDFPage_CountObjects(page.raw)))
    pending = [(item, 0) for item in objects]
    if len(pending) > _OBJECTS:
        return True
    segments = seen = 0
    while pending:
        item, depth = pending.pop()
        seen += 1
        kind = pdfium_c.FPDFPageObj_GetType(item)
        if kind in {pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_SHADING} or seen > _OBJECTS or depth > _DEPTH:
            return True
        if kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            segments += max(pdfium_c.FPDFPath_CountSegments(item), 0)
            if segments > _SEGMENTS:
                return True
        elif kind == pdfium_c.FPDF_PAGEOBJ_FORM:
            inner = range(max(pdfium_c.FPDFFormObj_CountObjects(item), 0))
            pending += [(pdfium_c.FPDFFormObj_GetObject(item, at), depth + 1) for at in inner]
    return False
