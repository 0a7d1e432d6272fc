"""PDF/A files of other people's writers: what a seal has to leave as it was.

Four writers that share no code with each other or with ours write every flavour they can: WeasyPrint and
fpdf2 (Python), img2pdf (pictures alone, as scanners do), PDFKit (JavaScript).
"""

from __future__ import annotations

import gc
import io
import shutil
import subprocess
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import img2pdf
from fpdf import FPDF
from fpdf.enums import DocumentCompliance
from PIL import Image, ImageCms, ImageFont
from weasyprint import HTML

if TYPE_CHECKING:
    from collections.abc import Iterator

Sample = tuple[str, bytes]
FOLDER = Path(__file__).parent / "pdfkit_node"
WEASYPRINT = ("1a", "1b", "2a", "2b", "2u", "3a", "3b", "3u", "4e", "4f", "4u")
PAGE = """
<html lang="zh"><title>食品经营许可证</title><style>body {{ font-family: "Noto Sans CJK SC" }}</style>
<h1>食品经营许可证</h1><table border="1"><tr><th>经营项目<td>预包装食品销售</table>
<p style="color: rgb({shade}, 60, 20)">盖章处</p><p style="page-break-before: always">附页</p></html>
"""
PICTURES = {"colour": "RGB", "grey": "L", "black and white": "1", "palette": "P"}


def written() -> Iterator[Sample]:
    """Yield the documents, each with its writer and flavour."""
    yield from _weasyprint()
    yield from _fpdf2()
    yield from _img2pdf()
    yield from _pdfkit()


@cache
def font() -> bytes:
    """Return a TrueType font that may be embedded (Aileron, CC0), which Pillow carries."""
    loaded = ImageFont.load_default(12)
    assert isinstance(loaded, ImageFont.FreeTypeFont)
    return bytes(loaded.font_bytes)


@cache
def profile() -> bytes:
    """Return an sRGB colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _picture(mode: str = "RGB") -> Image.Image:
    return Image.linear_gradient("L").resize((120, 120)).convert(mode)


def _weasyprint() -> Iterator[Sample]:
    with warnings.catch_warnings():
        # It leaves profiles and fonts open for the collector to close.
        warnings.simplefilter("ignore", ResourceWarning)
        documents = [_by_weasyprint(number, flavour) for number, flavour in enumerate(WEASYPRINT)]
        gc.collect()
    yield from documents


def _by_weasyprint(number: int, flavour: str) -> Sample:
    document: bytes = HTML(string=PAGE.format(shade=10 * number)).write_pdf(pdf_variant=f"pdf/a-{flavour}")
    return f"WeasyPrint, {flavour}", document


def _fpdf2() -> Iterator[Sample]:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "font.ttf"
        path.write_bytes(font())
        for compliance in DocumentCompliance:
            if compliance.value[0] == "PDFA":
                yield f"fpdf2, {compliance.name}, text", _by_fpdf2(compliance, path, rich=False)
                yield f"fpdf2, {compliance.name}, pictures", _by_fpdf2(compliance, path, rich=True)


def _by_fpdf2(compliance: DocumentCompliance, path: Path, *, rich: bool) -> bytes:
    pdf = FPDF(orientation="landscape" if rich else "portrait", enforce_compliance=compliance)
    pdf.set_title("Licence")
    pdf.set_lang("en")
    pdf.add_font("Aileron", fname=str(path))
    for page in range(3 if rich else 1):
        pdf.add_page()
        pdf.set_font("Aileron", size=14)
        pdf.cell(text=f"Food business licence, page {page + 1}")
        if rich:
            pdf.image(_picture(), x=20, y=40, w=60)
            pdf.set_fill_color(230, 200, 30)
            pdf.rect(100, 40, 30, 30, style="DF")
    if compliance is DocumentCompliance.PDFA_4F:
        pdf.embed_file(
            bytes=b"{}", basename="licence.json", mime_type="application/json", desc="Metadata",
            associated_file_relationship="DATA",
        )  # fmt: skip
    return bytes(pdf.output())


def _img2pdf() -> Iterator[Sample]:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "srgb.icc"
        path.write_bytes(profile())
        for name, mode in PICTURES.items():
            yield f"img2pdf, {name}", _by_img2pdf([_png(mode)], path)
        yield "img2pdf, three pages", _by_img2pdf([_png("RGB")] * 3, path)


def _by_img2pdf(pictures: list[bytes], path: Path) -> bytes:
    convert: Any = img2pdf.convert
    document: bytes = convert(pictures, pdfa=str(path), nodate=True)
    return document


def _png(mode: str) -> bytes:
    out = io.BytesIO()
    _picture(mode).save(out, "PNG", dpi=(72, 72))
    return out.getvalue()


def _pdfkit() -> Iterator[Sample]:
    with TemporaryDirectory() as directory:
        (Path(directory) / "font.ttf").write_bytes(font())
        _node(directory)
        for path in sorted(Path(directory).glob("*.pdf")):
            yield f"PDFKit, {path.stem}", path.read_bytes()


def _node(directory: str) -> None:
    """Have PDFKit, installed as its lock says, write its files into a directory."""
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "node is needed to run PDFKit"
    assert npm, "npm is needed to install PDFKit"
    if not (FOLDER / "node_modules" / "pdfkit").exists():
        install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(install, cwd=FOLDER, check=True, capture_output=True)  # noqa: S603 - a fixed command
    subprocess.run([node, "write.mjs", directory], cwd=FOLDER, check=True, capture_output=True)  # noqa: S603 - ditto
