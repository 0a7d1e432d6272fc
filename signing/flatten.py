"""Making a document what it shows: the other answer, by policy, to what the sanitiser finds.

Fields and annotations become part of the pages as they look on the screen, scripts and actions
go, nothing unreferenced stays because the file is written anew. A page with hidden text, or a
document with hidden layers, is painted to a picture: what nobody can see cannot stay by accident.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import pikepdf
import pypdfium2

from signing.drawing import COLOUR_SPACE
from signing.errors import BrokenPdf, EncryptedPdf, PdfTooLarge
from signing.pdf_file import DAMAGE
from signing.reader_dependent import remove_substitutes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from PIL.Image import Image

DOTS_PER_INCH = 200
MAX_PAINTED_PAGES = 200
_LAYERS = (pikepdf.Name.OCG, pikepdf.Name.OCMD)
REMOVED_FROM_CATALOG = ("/AcroForm", "/OpenAction", "/AA", "/Collection", "/OCProperties", "/NeedsRendering")


def flatten(document: bytes, hidden_on: Collection[int]) -> bytes:
    """Write the document anew as it is shown.

    Args:
        document: without signatures, which would not survive.
        hidden_on: pages to paint to a picture, counted from 1.

    Raises: BrokenPdf, EncryptedPdf, PdfTooLarge.
    """
    try:
        with pikepdf.open(io.BytesIO(document), attempt_recovery=False) as pdf:
            painted = range(1, len(pdf.pages) + 1) if _hides_layers(pdf.Root) else sorted(hidden_on)
            if len(painted) > MAX_PAINTED_PAGES:
                raise PdfTooLarge(f"At most {MAX_PAINTED_PAGES} pages can be painted anew.", field="document")
            remove_substitutes(pdf)
            pdf.generate_appearance_streams()
            pdf.flatten_annotations("screen")
            _paint(pdf, painted)
            _remove_active(pdf)
            out = io.BytesIO()
            pdf.save(out)
            return out.getvalue()
    except pikepdf.PasswordError as error:
        raise EncryptedPdf("The document is encrypted.", field="document") from error
    except (*DAMAGE, AttributeError, pypdfium2.PdfiumError) as error:
        raise BrokenPdf("The document's structure is damaged.", field="document") from error


def _remove_active(pdf: pikepdf.Pdf) -> None:
    for key in REMOVED_FROM_CATALOG:
        if key in pdf.Root:
            del pdf.Root[key]
    if "/Names" in pdf.Root and "/JavaScript" in pdf.Root.Names:
        del pdf.Root.Names["/JavaScript"]
    for item in pdf.objects:
        if isinstance(item, (pikepdf.Dictionary, pikepdf.Stream)):
            _remove_layer(item)
    for page in pdf.pages:
        if "/AA" in page.obj:
            del page.obj["/AA"]
        if "/Annots" in page.obj:
            links = [each for each in page.obj.Annots if _harmless_link(each)]
            if links:
                page.obj.Annots = pikepdf.Array(links)
            else:
                del page.obj["/Annots"]


def _remove_layer(item: Any) -> None:  # noqa: ANN401
    """Leave what stood on a layer without it: what is switched off is painted over by now."""
    if "/OC" in item:
        del item["/OC"]
    if isinstance(item, pikepdf.Dictionary) and item.get("/Type") in _LAYERS:
        for key in list(item.keys()):
            del item[key]


def _harmless_link(annotation: Any) -> bool:  # noqa: ANN401 - pikepdf objects carry no useful static type
    if annotation.get("/Subtype") != "/Link" or "/AA" in annotation:
        return False
    action = annotation.get("/A")
    return action is None or (action.get("/S") in {"/GoTo", "/URI"} and "/Next" not in action)


def _hides_layers(root: Any) -> bool:  # noqa: ANN401
    """Tell whether anything is switched off, or switches by itself (ISO 32000-1, 8.11.4)."""
    properties = root.get("/OCProperties")
    if properties is None:
        return False
    configuration = properties.get("/D", pikepdf.Dictionary())
    return (
        configuration.get("/BaseState", "/ON") != "/ON"
        or len(configuration.get("/OFF", pikepdf.Array())) > 0
        or "/AS" in configuration
    )


def _paint(pdf: pikepdf.Pdf, pages: Iterable[int]) -> None:
    """Replace pages by pictures of themselves."""
    wanted = tuple(pages)
    if not wanted:
        return
    snapshot = io.BytesIO()
    pdf.save(snapshot)
    shown = pypdfium2.PdfDocument(snapshot.getvalue())
    try:
        for number in wanted:
            page = shown[number - 1]
            picture = page.render(scale=DOTS_PER_INCH / 72, rev_byteorder=True).to_pil().convert("RGB")
            _replace(pdf, pdf.pages[number - 1], page.get_size(), picture)
    finally:
        shown.close()


def _replace(pdf: pikepdf.Pdf, page: pikepdf.Page, size: tuple[float, float], picture: Image) -> None:
    colours = pikepdf.Object.parse(b"<<" + COLOUR_SPACE + b">>").ColorSpace.C0
    image = pikepdf.Stream(
        pdf,
        zlib.compress(picture.tobytes(), 6),
        Type=pikepdf.Name.XObject,
        Subtype=pikepdf.Name.Image,
        Width=picture.width,
        Height=picture.height,
        BitsPerComponent=8,
        ColorSpace=colours,
        Filter=pikepdf.Name.FlateDecode,
    )
    for key in ("/Annots", "/StructParents", "/UserUnit", "/Group"):
        if key in page.obj:
            del page.obj[key]
    # Said of the page itself, so that nothing is inherited.
    page.obj.MediaBox = page.obj.CropBox = pikepdf.Array([0, 0, round(size[0], 3), round(size[1], 3)])
    page.obj.Rotate = 0
    page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(P=pdf.make_indirect(image)))
    page.obj.Contents = pdf.make_stream(b"q %.3f 0 0 %.3f 0 0 cm /P Do Q" % size)
