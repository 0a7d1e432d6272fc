"""Papers as ordinary programs write them: numbers as objects of their own, names in GBK, tables of few colours."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest

from tests.verification.pki import NOW
from tests.verification.samples import seal
from verification.model import Reason, Verdict
from verification.pdf import validate_pdf
from verification.shown_licences import judge_shown

if TYPE_CHECKING:
    from tests.verification.pki import Pki
    from verification.trust import TrustMaterial

DRAWING = b"q 90 0 0 90 72 600 cm /I Do Q BT /F 12 Tf 72 500 Td (Approval) Tj ET"
GBK = "宋体".encode("gbk")
ESCAPED = b"".join(b"#%02x" % each for each in GBK)


def written(
    *,
    page: bytes = b"",
    font: bytes = b"Helvetica",
    picture: bytes = b"/ColorSpace /DeviceGray /BitsPerComponent 8",
    filters: bytes = b"/FlateDecode",
    data: bytes = zlib.compress(bytes(64)),
    more: tuple[bytes, ...] = (),
) -> bytes:
    """Return a page with a picture and a font; the objects of `more` have the numbers from 7 on."""
    objects = (
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R %s"
        b"/Resources <</Font <</F 5 0 R>> /XObject <</I 6 0 R>>>>>>" % page,
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(DRAWING), DRAWING),
        b"<</Type /Font /Subtype /TrueType /BaseFont /%s /FirstChar 32 /LastChar 126 /Widths [%s]"
        b"/FontDescriptor <</Type /FontDescriptor /FontName /%s /Flags 32 /StemV 80 /ItalicAngle 0 /Ascent 800"
        b"/Descent -200 /CapHeight 700 /FontBBox [0 -200 1000 800]>>>>" % (font, b"500 " * 95, font),
        b"<</Type /XObject /Subtype /Image /Width 8 /Height 8 %s /Filter %s /Length %d>>\nstream\n%s\nendstream"
        % (picture, filters, len(data), data),
        *more,
    )
    out, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer\n<</Root 1 0 R /Size %d>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + tail


def colours(highest: int, last: int) -> bytes:
    """Return a page with a picture of so many colours, the last point of which has a certain one."""
    space = b"/ColorSpace [/Indexed /DeviceGray %d <%s>] /BitsPerComponent 8" % (highest, b"7f" * (highest + 1))
    return written(picture=space, data=zlib.compress(bytes(63) + bytes([last])))


LINE = b"<</Type /Annot /Subtype /Line /Rect [72 480 300 482] /F 4 /AP <</N 8 0 R>>>>"
LOOK = b"<</Subtype /Form /BBox [0 0 228 2] /Length 15>>\nstream\n0 0 228 2 re f\nendstream"
FAX = b"\x00\x10\x01"


@pytest.mark.parametrize(
    "document",
    [
        written(page=b"/Rotate 7 0 R /UserUnit 8 0 R /Marked 9 0 R ", more=(b"0", b"1.0", b"false")),
        written(picture=b"/ColorSpace /DeviceGray /BitsPerComponent 7 0 R", more=(b"8",)),
        written(page=b"/Group 7 0 R /Beads [7 0 R null] ", more=(b"null",)),
        written(page=b"/Annots [7 0 R 9 0 R] ", more=(LINE, LOOK, b"null")),
        written(font=ESCAPED),
        written(font=b"ABCDEE+" + GBK),
        colours(3, 3),
        written(
            picture=b"/ColorSpace 7 0 R /BitsPerComponent 1 /DecodeParms <</K -1 /Columns 8 /Rows 8>>",
            filters=b"/CCITTFaxDecode",
            data=FAX,
            more=(b"/DeviceGray",),
        ),
    ],
    ids=[
        "numbers",
        "bits",
        "null",
        "line",
        "font in GBK",
        "font in GBK, as it is",
        "few colours",
        "colours by their name",
    ],
)
def test_what_programs_write_every_day_is_valid(document: bytes, pki: Pki, material: TrustMaterial) -> None:
    report = judge_shown(validate_pdf(seal(document, pki, timestamp=False), material, at=NOW))
    assert (report.verdict, report.reason) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED), report.checks


@pytest.mark.parametrize(
    ("document", "verdict", "reason"),
    [
        (written(page=b"/Group 99 0 R "), Verdict.INVALID, Reason.PARSERS_DISAGREE),
        (colours(3, 4), Verdict.UNDETERMINED, Reason.PICTURE_NOT_DRAWN),
    ],
    ids=["of nothing", "beyond the table"],
)
def test_what_only_looks_like_it_is_not(
    document: bytes, verdict: Verdict, reason: Reason, pki: Pki, material: TrustMaterial
) -> None:
    report = validate_pdf(seal(document, pki, timestamp=False), material, at=NOW)
    assert (report.verdict, report.reason) == (verdict, reason), report.checks
