"""The published attacks on signed PDFs, made from a sample the way their papers describe.

Mladenov, Mainka, zu Selhausen, Grothe, Schwenk: "1 Trillion Dollar Refund" (CCS 2019) for
incremental saving, signature wrapping and universal forgery; Mainka, Mladenov, Rohlmann:
"Shadow Attacks" (NDSS 2021); Rohlmann, Mladenov, Mainka, Schwenk: "Breaking the
Specification: PDF Certification" (S&P 2021).
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pikepdf
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.sign.fields import MDPPerm

from tests.verification.pki import Pki, issue
from tests.verification.samples import add_document_timestamp, add_dss, blank, seal, update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

Sample = tuple[str, bytes]
EVIL = b"BT /F1 24 Tf 72 700 Td (LICENCE 9999) Tj ET"


def all_attacks(pki: Pki) -> Iterator[Sample]:
    """Yield every sample with its name; each is made from a document whose seal is good."""
    sealed = seal(blank(), pki)
    yield from incremental_saving(sealed)
    yield from signature_wrapping(sealed)
    yield from universal_forgery(sealed)
    yield from shadow(pki)
    yield from certification(pki)
    yield from long_term_disguise(pki)
    yield from transplants(sealed, pki)


# Incremental saving ---------------------------------------------------------


def replace_page_content(writer: IncrementalPdfFileWriter) -> None:
    page = writer.root["/Pages"]["/Kids"][0]
    stream = generic.StreamObject(stream_data=EVIL)
    page["/Contents"] = writer.add_object(stream)
    writer.update_container(page)


def overwrite_content_object(writer: IncrementalPdfFileWriter) -> None:
    page = writer.root["/Pages"]["/Kids"][0]
    reference = page.raw_get("/Contents").reference
    writer.mark_update(reference)
    stream = reference.get_object()
    stream._data = EVIL
    stream._encoded_data = EVIL


def add_page(writer: IncrementalPdfFileWriter) -> None:
    pages = writer.root["/Pages"]
    page = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Page"),
            pdf_name("/Parent"): pages.container_ref and generic.IndirectObject(*_key(writer, "/Pages"), writer),
            pdf_name("/MediaBox"): generic.ArrayObject(generic.NumberObject(n) for n in (0, 0, 595, 842)),
            pdf_name("/Contents"): writer.add_object(generic.StreamObject(stream_data=EVIL)),
        }
    )
    pages["/Kids"].append(writer.add_object(page))
    pages["/Count"] = generic.NumberObject(2)
    writer.update_container(pages)


def _key(writer: IncrementalPdfFileWriter, name: str) -> tuple[int, int]:
    reference = writer.root.raw_get(name)
    return reference.idnum, reference.generation


def incremental_saving(sealed: bytes) -> Iterator[Sample]:
    yield "isa_new_content", update(sealed, replace_page_content)
    yield "isa_overwritten_content", update(sealed, overwrite_content_object)
    yield "isa_added_page", update(sealed, add_page)
    number = page_content_number(sealed)
    body = b"%d 0 obj\n<</Length %d>>\nstream\n%s\nendstream\nendobj\n" % (number, len(EVIL), EVIL)
    yield "isa_without_xref", sealed + body
    yield (
        "isa_without_xref_but_trailer",
        sealed + body + b"trailer\n<</Root %d 0 R /Size 99>>\n%%%%EOF\n" % root_number(sealed),
    )
    startxref = sealed.rindex(b"startxref")
    yield "isa_object_before_repeated_end", sealed + body + sealed[startxref:]
    yield "isa_comment_only", sealed + b"%hidden\n" + sealed[startxref:]
    changed = update(sealed, replace_page_content)
    yield "isa_sealed_again_by_stranger", seal(changed, Pki(), field="Seal2")


def page_content_number(document: bytes) -> int:
    with pikepdf.open(io.BytesIO(document)) as pdf:
        return int(pdf.pages[0].obj.Contents.objgen[0])


def root_number(document: bytes) -> int:
    with pikepdf.open(io.BytesIO(document)) as pdf:
        return int(pdf.Root.objgen[0])


# Signature wrapping ---------------------------------------------------------


def byte_range_of(document: bytes) -> tuple[re.Match[bytes], tuple[int, int, int, int]]:
    match = re.search(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\]\s*", document)
    assert match is not None
    return match, (int(match[1]), int(match[2]), int(match[3]), int(match[4]))


def signature_wrapping(sealed: bytes) -> Iterator[Sample]:
    match, (_, first, second, length) = byte_range_of(sealed)
    contents, tail = sealed[first:second], sealed[second : second + length]
    number = page_content_number(sealed)
    body = b"\n%d 0 obj\n<</Length %d>>\nstream\n%s\nendstream\nendobj\n" % (number, len(EVIL), EVIL)
    for name, filler in (("swa_moved_tail", body), ("swa_moved_tail_with_xref", body + tail)):
        gap = contents + b">>\nendobj\n" + filler
        moved = re.sub(
            rb"/ByteRange \[[^\]]*\]\s*",
            (b"/ByteRange [0 %d %d %d]" % (first, first + len(gap), length)).ljust(len(match[0])),
            sealed[:first],
            count=1,
        )
        yield name, moved + gap + tail
    # The range itself stays; new content sits behind the value inside the gap, paid for by its padding.
    digits = contents[1:-1].rstrip(b"0")
    digits += b"0" * (len(digits) % 2)
    room = len(contents) - 2 - len(digits)
    inside = b"<" + digits + b">" + b"/X<<>>".ljust(room)
    yield "swa_content_in_padding", sealed[:first] + inside[: len(contents)] + sealed[second:]
    yield "swa_dictionary_again", update(sealed, repeat_signature_dictionary)


def repeat_signature_dictionary(writer: IncrementalPdfFileWriter) -> None:
    """Write the signature's dictionary once more, its value and ranges as they were, behind new content."""
    replace_page_content(writer)
    writer.mark_update(writer.root["/AcroForm"]["/Fields"][0].raw_get("/V").reference)


# Universal signature forgery ------------------------------------------------


def universal_forgery(sealed: bytes) -> Iterator[Sample]:
    match, (_, first, second, _) = byte_range_of(sealed)

    def byte_range(text: bytes) -> bytes:
        return sealed.replace(match[0], text.ljust(len(match[0])), 1)

    def contents(text: bytes) -> bytes:
        return sealed[:first] + text.ljust(second - first) + sealed[second:]

    yield "usf_no_byte_range", byte_range(b"")
    yield "usf_null_byte_range", byte_range(b"/ByteRange null")
    yield "usf_empty_byte_range", byte_range(b"/ByteRange []")
    yield "usf_zero_byte_range", byte_range(b"/ByteRange [0 0 0 0]")
    yield "usf_negative_byte_range", byte_range(b"/ByteRange [0 -1 0 -1]")
    yield "usf_short_byte_range", byte_range(b"/ByteRange [0 100]")
    yield "usf_text_byte_range", byte_range(b"/ByteRange (0 1 2 3)")
    yield "usf_whole_file", byte_range(b"/ByteRange [0 %d %d 0]" % (len(sealed), len(sealed)))
    yield "usf_empty_contents", contents(b"<>")
    yield "usf_null_contents", contents(b"null")
    yield "usf_zero_contents", contents(b"<" + b"00" * ((second - first - 2) // 2) + b">")
    yield "usf_no_contents", sealed.replace(b"/Contents", b"/Kontents", 1)
    yield "usf_unknown_subfilter", sealed.replace(b"/ETSI.CAdES.detached", b"/ETSI.CAdES.detacheX", 1)
    yield "usf_unknown_filter_type", sealed.replace(b"/Type /Sig", b"/Type /Gis", 1)
    yield "usf_der_end_of_contents", contents(b"<" + sealed[first + 1 : first + 41] + b"00" * 20 + b">")


# Shadow attacks -------------------------------------------------------------


def with_overlay() -> bytes:
    """A page whose amount lies under an overlay, both inside the sealed revision."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        overlay = pdf.make_stream(b"1 g 60 690 400 40 re f BT /F1 24 Tf 0 g 72 700 Td (FEE 10) Tj ET")
        overlay.Type, overlay.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        overlay.BBox = pikepdf.Array([0, 0, 595, 842])
        overlay.Resources = pdf.pages[0].Resources
        page = pdf.pages[0]
        page.Resources.XObject = pikepdf.Dictionary(Cover=pdf.make_indirect(overlay))
        page.Contents = pdf.make_stream(page.Contents.read_bytes() + b" /Cover Do")
        return saved(pdf)


def saved(pdf: pikepdf.Pdf) -> bytes:
    out = io.BytesIO()
    pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    return out.getvalue()


def with_text_field() -> bytes:
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        appearance = pdf.make_stream(b"BT /F1 18 Tf 2 5 Td (10) Tj ET")
        appearance.Type, appearance.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        appearance.BBox = pikepdf.Array([0, 0, 200, 30])
        appearance.Resources = pdf.pages[0].Resources
        field = pdf.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Annot,
                Subtype=pikepdf.Name.Widget,
                FT=pikepdf.Name.Tx,
                T="Amount",
                V="10",
                F=4,
                Rect=[72, 600, 272, 630],
                AP=pikepdf.Dictionary(N=pdf.make_indirect(appearance)),
            )
        )
        pdf.pages[0].Annots = pdf.make_indirect(pikepdf.Array([field]))
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=pikepdf.Array([field]))
        return saved(pdf)


def with_hidden_catalogue() -> bytes:
    """A second catalogue with other content lies unreferenced inside the sealed revision."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        pages = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Pages, Count=1))
        page = pdf.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Page,
                Parent=pages,
                MediaBox=[0, 0, 595, 842],
                Resources=pdf.pages[0].Resources,
                Contents=pdf.make_stream(EVIL),
            )
        )
        pages.Kids = pikepdf.Array([page])
        alternative = pikepdf.Dictionary(Type=pikepdf.Name.Catalog, Pages=pages)
        pdf.Root.HiddenAlternative = pdf.make_indirect(alternative)
        return saved(pdf)


def hide_overlay(writer: IncrementalPdfFileWriter) -> None:
    cover = writer.root["/Pages"]["/Kids"][0]["/Resources"]["/XObject"].raw_get("/Cover").reference
    stream = cover.get_object()
    stream._data = stream._encoded_data = b""
    writer.mark_update(cover)


def replace_field_value(writer: IncrementalPdfFileWriter) -> None:
    field = writer.root["/AcroForm"]["/Fields"][0]
    field["/V"] = generic.TextStringObject("99999")
    appearance = generic.StreamObject(
        {
            pdf_name("/Type"): pdf_name("/XObject"),
            pdf_name("/Subtype"): pdf_name("/Form"),
            pdf_name("/BBox"): generic.ArrayObject(generic.NumberObject(n) for n in (0, 0, 200, 30)),
        },
        stream_data=b"BT /F1 18 Tf 2 5 Td (99999) Tj ET",
    )
    field["/AP"] = generic.DictionaryObject({pdf_name("/N"): writer.add_object(appearance)})
    writer.update_container(field)


def replace_font(writer: IncrementalPdfFileWriter) -> None:
    font = writer.root["/Pages"]["/Kids"][0]["/Resources"]["/Font"].raw_get("/F1").reference
    font.get_object()["/BaseFont"] = pdf_name("/ZapfDingbats")
    writer.mark_update(font)


def appended_xref(document: bytes, entries: dict[int, int | None], root: int) -> bytes:
    """Append a cross-reference section and trailer by hand; None frees an object."""
    with pikepdf.open(io.BytesIO(document)) as pdf:
        size = int(pdf.trailer.Size)
    previous = int(re.findall(rb"startxref\s+(\d+)", document)[-1])
    start = len(document) + 1
    table = b"\nxref\n"
    for number, offset in sorted(entries.items()):
        entry = b"0000000000 00001 f" if offset is None else b"%010d 00000 n" % offset
        table += b"%d 1\n%s \n" % (number, entry)
    trailer = b"trailer\n<</Size %d /Root %d 0 R /Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % (size, root, previous, start)
    return document + table + trailer


def shadow(pki: Pki) -> Iterator[Sample]:
    covered = seal(with_overlay(), pki)
    yield "shadow_hide_overwritten_overlay", update(covered, hide_overlay)
    with pikepdf.open(io.BytesIO(covered)) as pdf:
        number = int(pdf.pages[0].Resources.XObject.Cover.objgen[0])
    yield "shadow_hide_freed_overlay", appended_xref(covered, {number: None}, root_number(covered))
    form = seal(with_text_field(), pki)
    yield "shadow_replace_field", update(form, replace_field_value)
    yield "shadow_replace_font", update(seal(blank(), pki), replace_font)
    hidden = seal(with_hidden_catalogue(), pki)
    with pikepdf.open(io.BytesIO(hidden)) as pdf:
        alternative = int(pdf.Root.HiddenAlternative.objgen[0])
        page_here = int(pdf.pages[0].Contents.objgen[0])
        there = int(pdf.Root.HiddenAlternative.Pages.Kids[0].Contents.objgen[0])
    yield "shadow_hide_and_replace_catalogue", appended_xref(hidden, {0: None}, alternative)
    offset = hidden.index(b"\n%d 0 obj" % there) + 1
    yield "shadow_hide_and_replace_object", appended_xref(hidden, {page_here: offset}, root_number(hidden))


# Certification attacks ------------------------------------------------------


def add_annotation(subtype: str) -> Callable[[IncrementalPdfFileWriter], None]:
    def change(writer: IncrementalPdfFileWriter) -> None:
        page = writer.root["/Pages"]["/Kids"][0]
        appearance = generic.StreamObject(
            {
                pdf_name("/Type"): pdf_name("/XObject"),
                pdf_name("/Subtype"): pdf_name("/Form"),
                pdf_name("/BBox"): generic.ArrayObject(generic.NumberObject(n) for n in (0, 0, 400, 60)),
            },
            stream_data=b"1 g 0 0 400 60 re f",
        )
        annotation = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/Annot"),
                pdf_name("/Subtype"): pdf_name(subtype),
                pdf_name("/F"): generic.NumberObject(4),
                pdf_name("/Rect"): generic.ArrayObject(generic.NumberObject(n) for n in (60, 690, 460, 750)),
                pdf_name("/AP"): generic.DictionaryObject({pdf_name("/N"): writer.add_object(appearance)}),
                pdf_name("/Contents"): generic.TextStringObject("9999"),
            }
        )
        present = page["/Annots"] if "/Annots" in page else generic.ArrayObject()
        page["/Annots"] = generic.ArrayObject([*present, writer.add_object(annotation)])
        writer.update_container(page)

    return change


def certification(pki: Pki) -> Iterator[Sample]:
    stranger = Pki()
    for permission in (MDPPerm.NO_CHANGES, MDPPerm.FILL_FORMS, MDPPerm.ANNOTATE):
        certified = seal(blank(), pki, certify=permission)
        for subtype in ("/FreeText", "/Stamp", "/Redact"):
            yield f"eaa_p{permission.value}_{subtype[1:].lower()}", update(certified, add_annotation(subtype))
        if permission is not MDPPerm.NO_CHANGES:  # the stock signer itself refuses to sign over that
            yield f"ssa_p{permission.value}", seal(certified, stranger, field="Sneaky", visible=True)
    field = seal(with_text_field(), pki, certify=MDPPerm.FILL_FORMS)
    yield "certified_field_filled", update(field, replace_field_value)


# Changes dressed up as long-term updates -------------------------------------


def long_term_disguise(pki: Pki) -> Iterator[Sample]:
    sealed = seal(blank(), pki)
    changed = update(sealed, replace_page_content)
    yield "lta_over_change", add_document_timestamp(add_dss(changed, pki), pki)
    lt = add_dss(sealed, pki)
    yield "change_after_lt", update(lt, replace_page_content)
    yield "change_after_lta", update(add_document_timestamp(lt, pki), overwrite_content_object)
    yield "annotation_after_lta", update(add_document_timestamp(lt, pki), add_annotation("/FreeText"))
    yield "timestamp_only", add_document_timestamp(blank(), pki)


# Seals where they do not belong ----------------------------------------------


def transplants(sealed: bytes, pki: Pki) -> Iterator[Sample]:
    _, (_, first, second, _) = byte_range_of(sealed)
    other = seal(blank(text="OTHER"), pki)
    _, (_, first_there, second_there, _) = byte_range_of(other)
    value = sealed[first:second]
    yield (
        "value_of_another_document",
        other[:first_there]
        + value.ljust(second_there - first_there)[: second_there - first_there]
        + other[second_there:],
    )
    yield "sealed_by_timestamp_key", seal(blank(), pki, identity=pki.tsa)
    yield "sealed_by_encryption_key", seal(blank(), pki, identity=issue("加密证书", pki.issuing, signing=False))
    yield "sealed_by_leaf_as_authority", seal(blank(), pki, identity=issue("冒名单位", pki.seal))
    yield "two_files_joined", sealed + blank()
    yield "file_in_front", blank() + sealed
    yield "cut_short", sealed[: len(sealed) - 40]


def stripped(document: bytes, *, of_data: bool = False, of_code: bool = False) -> bytes:
    """Return the licence without its seal: face, code and attached data as they were, or without these as well."""
    with pikepdf.open(io.BytesIO(document)) as pdf:
        del pdf.Root.AcroForm
        if of_data:
            del pdf.Root.AF
            del pdf.Root.Names
        for page in pdf.pages if of_code else ():
            for image in page.get_images().values():
                image.write(bytes([255]), type_check=False)
                image.Width = image.Height = 1
                image.ColorSpace, image.BitsPerComponent = pikepdf.Name.DeviceGray, 8
        for page in pdf.pages:
            if "/Annots" in page:
                del page.Annots
        pdf.remove_unreferenced_resources()
        out = io.BytesIO()
        pdf.save(out)
    return out.getvalue()
