"""PDF/A documents to seal, and what ISO 19005 asks of what a seal adds to them."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pikepdf
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from signing.cms import SealCms
from signing.model import ActiveContentPolicy, SealKind
from signing.pades import SealFace
from signing.preparation import Order, make_ready
from signing.seal_image import draw
from signing.signature_field import finish
from tests.signing.documents import Standard, typeset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from signing.placement import Placement

DIRECTORY = os.environ.get("HUFU_PDF_A_SAMPLES", "")
"""A directory of sample files, of which those are taken that have `pass` in their name (as veraPDF's corpus)."""
STANDARDS = tuple(each for each in get_args(Standard) if each.startswith("a-"))
PRINT, HIDDEN = 4, 1 | 2 | 32 | 256
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
FACE = SealFace("演示市公安局", draw(SealKind.STATUTORY, "演示市公安局").form)


def samples() -> Iterator[tuple[str, bytes]]:
    """Yield the documents, each with a name: ours, and those of the directory if one is named."""
    for standard in STANDARDS:
        yield standard, typeset(2, standard)
    for name, change, options in VARIANTS:
        for standard in ("a-2b", "a-3a", "a-4"):
            yield f"{standard}, {name}", variant(typeset(3, standard), change, options)
    for path in sorted(Path(DIRECTORY).rglob("*.pdf")) if DIRECTORY else ():
        if "pass" in path.name:
            yield str(path.relative_to(DIRECTORY)), path.read_bytes()


def variant(document: bytes, change: Callable[[pikepdf.Pdf], None], options: dict[str, Any]) -> bytes:
    """Write a document another way, its metadata as they were."""
    with pikepdf.open(io.BytesIO(document)) as pdf:
        change(pdf)
        out = io.BytesIO()
        pdf.save(out, fix_metadata_version=False, **options)
    return out.getvalue()


def _as_it_is(_: pikepdf.Pdf) -> None:
    """Change nothing."""


def _turned(pdf: pikepdf.Pdf) -> None:
    for page, angle in zip(pdf.pages, (90, 180, 270), strict=True):
        page.obj.Rotate = angle
        page.obj.CropBox = pikepdf.Array([20, 30, 540, 800])


def _shared_annotations(pdf: pikepdf.Pdf) -> None:
    """Give every page the same array of no annotations, an object of its own."""
    empty = pdf.make_indirect(pikepdf.Array())
    for page in pdf.pages:
        page.obj.Annots = empty


def _with_form(pdf: pikepdf.Pdf) -> None:
    fields = pdf.make_indirect(pikepdf.Array())
    pdf.Root.AcroForm = pdf.make_indirect(pikepdf.Dictionary(Fields=fields, DR=pikepdf.Dictionary()))


def _inherited(pdf: pikepdf.Pdf) -> None:
    for page in pdf.pages:
        pdf.Root.Pages.MediaBox = page.obj.MediaBox
        del page.obj["/MediaBox"]


_TABLE = {"object_stream_mode": pikepdf.ObjectStreamMode.disable}
_STREAM = {"object_stream_mode": pikepdf.ObjectStreamMode.generate}
VARIANTS: tuple[tuple[str, Callable[[pikepdf.Pdf], None], dict[str, Any]], ...] = (
    ("cross-reference table", _as_it_is, _TABLE),
    ("object streams", _as_it_is, _STREAM),
    ("linearised", _as_it_is, {"linearize": True}),
    ("turned and cropped pages", _turned, _TABLE),
    ("one array of annotations", _shared_annotations, _STREAM),
    ("an empty form", _with_form, _STREAM),
    ("inherited page size", _inherited, _TABLE),
)


@cache
def key_and_certificate() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """Return a seal's key and certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=演示市公安局,C=CN")
    usage = x509.KeyUsage(False, True, False, False, False, False, False, False, False)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=365))
    certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    return key, certificate.public_bytes(serialization.Encoding.DER)


def sealed(document: bytes, placement: Placement, policy: ActiveContentPolicy) -> tuple[bytes, bytes]:
    """Seal a document to B-B; return what was sealed (another file where it was flattened) and the sealed file.

    Raises: as `make_ready`.
    """
    key, certificate = key_and_certificate()
    cms = SealCms("ecdsa-p256-sha256", (certificate,))
    order = Order(document, FACE, placement, cms.size_with(0), NOW, False, False, policy, names_attachments=True)
    ready = make_ready(order)
    digest = cms.to_be_signed_digest(ready.prepared.signed_bytes_digest)
    signature = key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    source = ready.source or document
    return source, finish(source, ready.prepared, cms.signed_data(ready.prepared.signed_bytes_digest, signature))


def claim(document: bytes) -> tuple[str, bytes | None]:
    """Return what a document says it is, and its metadata as they are."""
    with pikepdf.open(io.BytesIO(document)) as pdf:
        metadata = pdf.Root.get("/Metadata")
        raw = None if metadata is None else metadata.read_bytes()
        with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as opened:
            return str(opened.get("pdfaid:part", "")) + str(opened.get("pdfaid:conformance", "")), raw


def faults(document: bytes) -> list[str]:
    """Return what in the newest seal's field, picture or trailer no PDF/A allows (ISO 19005, clauses 6.1 to 6.9)."""
    found: list[str] = []
    with pikepdf.open(io.BytesIO(document)) as pdf:
        form = pdf.Root.AcroForm
        if "/ID" not in pdf.trailer or "/Encrypt" in pdf.trailer:
            found.append("trailer")
        if "/XFA" in form or bool(form.get("/NeedAppearances", False)):
            found.append("form drawn by the reader")
        field = form.Fields[-1]
        if field.get("/FT") != "/Sig" or "/A" in field or "/AA" in field:
            found.append("field with an action")
        flags = int(field.get("/F", 0))
        if not flags & PRINT or flags & HIDDEN:
            found.append("flags")
        appearance = field.get("/AP")
        if appearance is None or set(appearance.keys()) != {"/N"}:
            found.append("appearance")
        else:
            found.extend(_in_form(appearance.N))
    return found


def _in_form(form: Any) -> Iterator[str]:  # noqa: ANN401 - a pikepdf object
    """Yield what a form XObject must not have: transparency, device colours, PostScript, links to files, fonts."""
    for key in ("/Group", "/OPI", "/PS", "/Subtype2", "/Ref", "/SMask"):
        if key in form:
            yield f"{key} in a form"
    resources = form.get("/Resources", pikepdf.Dictionary())
    if set(resources.keys()) - {"/XObject", "/ColorSpace"}:
        yield "resources"
    for space in resources.get("/ColorSpace", pikepdf.Dictionary()).values():
        if space[0] not in {"/CalRGB", "/CalGray", "/ICCBased", "/Lab"}:
            yield "device colour"
    operators = {str(each.operator) for each in pikepdf.parse_content_stream(form)}
    if operators & {"rg", "RG", "g", "G", "k", "K", "gs", "sh", "BI", "Tj", "TJ"}:
        yield "operators"
    for each in resources.get("/XObject", pikepdf.Dictionary()).values():
        yield from _in_form(each)
