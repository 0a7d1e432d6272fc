"""Where seals come to lie: rectangles on turned pages, keywords, every page, seams, and several seals."""

from __future__ import annotations

import asyncio
import hashlib
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2
import pytest
import zxingcpp
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.captions import caption_for
from signing.cms import SealCms
from signing.errors import BadPlacement, CertifiedAgainstChange, KeywordNotFound
from signing.model import ActiveContentPolicy, Appearance, SealKind
from signing.pades import SealFace
from signing.placement import Edge, EveryPage, Invisible, Keyword, Placement, Rectangle, Seam, Several
from signing.placement_json import from_json, to_json
from signing.preparation import Order, make_ready
from signing.seal_image import draw
from signing.signature_field import finish
from tests.signing import hostile
from tests.signing.documents import typeset
from tests.signing.peers import pdfsig_verdicts, pyhanko_statuses, qpdf_is_content

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

FACE = SealFace("演示市公安局", draw(SealKind.STATUTORY, "演示市公安局").form)
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
A4 = (595.28, 841.89)


class TestSeal:
    """A key and certificate made for the test alone."""

    __test__ = False

    def __init__(self, algorithm: str = "ecdsa-p256-sha256") -> None:
        elliptic = algorithm.startswith("ecdsa")
        self.key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = (
            ec.generate_private_key(ec.SECP256R1()) if elliptic else rsa.generate_private_key(65537, 3072)
        )
        name = x509.Name.from_rfc4514_string("CN=Test Seal,O=Test,C=CN")
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=True, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            x509.CertificateBuilder(name, name, self.key.public_key(), 0x1234567890)
            .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2028, 1, 1, tzinfo=UTC))
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.certificate_der = certificate.public_bytes(serialization.Encoding.DER)
        self.cms = SealCms(algorithm, (self.certificate_der,))

    def put_on(self, document: bytes, placement: Placement, *, certify: bool = False) -> bytes:
        ready = make_ready(
            Order(
                document, FACE, placement, self.cms.size_with(0), AT, certify,
                trusted=True, active_content=ActiveContentPolicy.REFUSE,
            )
        )  # fmt: skip
        prepared = ready.prepared
        digest = self.cms.to_be_signed_digest(prepared.signed_bytes_digest)
        hashed = utils.Prehashed(hashes.SHA256())
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            signature = self.key.sign(digest, ec.ECDSA(hashed))
        else:
            signature = self.key.sign(digest, PKCS1v15(), hashed)
        return finish(document, prepared, self.cms.signed_data(prepared.signed_bytes_digest, signature))


@pytest.fixture(scope="session")
def hand() -> TestSeal:
    return TestSeal()


async def require_accepted(document: bytes, path: Path, hand: TestSeal, *, seals: int = 1) -> None:
    await asyncio.to_thread(path.write_bytes, document)
    assert qpdf_is_content(path)
    verdicts = pdfsig_verdicts(path)
    assert [valid for valid, _ in verdicts] == [True] * seals
    assert verdicts[-1] == (True, True)
    statuses = await pyhanko_statuses(document, [hand.certificate_der], AT)
    assert all(status.bottom_line for status in statuses), [status.pretty_print_details() for status in statuses]


def page_picture(document: bytes, page: int) -> Image.Image:
    opened = pypdfium2.PdfDocument(document)
    opened.init_forms()
    try:
        picture: Image.Image = opened[page - 1].render(scale=1).to_pil().convert("RGB")
        return picture
    finally:
        opened.close()


def red_box(document: bytes, page: int) -> tuple[int, int, int, int] | None:
    """Return left, bottom, right, top of what is red on a page, in points as shown."""
    picture = page_picture(document, page)
    red = picture.getchannel("R").point(lambda value: 255 * (value > 150))
    green = picture.getchannel("G").point(lambda value: 255 * (value < 110))
    mask = red.copy()
    mask.paste(0, mask=green.point(lambda value: 255 - value))
    box = mask.getbbox()
    return None if box is None else (box[0], picture.height - box[3], box[2], picture.height - box[1])


def turned(degrees: int, **boxes: list[float]) -> bytes:
    def change(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.Rotate = degrees
        for key, box in boxes.items():
            pdf.pages[0].obj[f"/{key}"] = pikepdf.Array(box)

    return hostile.changed(change)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
async def test_a_seal_lies_upright_where_it_was_put_however_the_page_is_turned(
    degrees: int, hand: TestSeal, tmp_path: Path
) -> None:
    sealed = hand.put_on(turned(degrees), Rectangle(1, 300, 60, 100, 100))
    box = red_box(sealed, 1)
    assert box == pytest.approx((300, 60, 400, 160), abs=2)
    await require_accepted(sealed, tmp_path / "sealed.pdf", hand)
    # The star points up: there is more red in the upper half of the middle than in the lower.
    picture = page_picture(sealed, 1)
    flat = page_picture(hand.put_on(turned(0), Rectangle(1, 300, 60, 100, 100)), 1)
    height = picture.height
    crop = picture.crop((300, height - 160, 400, height - 60))
    expected = flat.crop((300, flat.height - 160, 400, flat.height - 60))
    difference = sum(abs(a - b) for a, b in zip(crop.tobytes(), expected.tobytes(), strict=True)) / len(crop.tobytes())
    assert difference < 16


async def test_a_cropped_page_counts_from_what_is_shown(hand: TestSeal, tmp_path: Path) -> None:
    document = turned(0, CropBox=[100, 200, 500, 700])
    sealed = hand.put_on(document, Rectangle(1, 50, 60, 80, 80))
    assert red_box(sealed, 1) == pytest.approx((50, 60, 130, 140), abs=2)
    await require_accepted(sealed, tmp_path / "sealed.pdf", hand)
    with pytest.raises(BadPlacement, match="400 by 500"):
        hand.put_on(document, Rectangle(1, 350, 60, 80, 80))


async def test_a_keyword_carries_the_seal_over_its_middle(hand: TestSeal, licence: bytes, tmp_path: Path) -> None:
    sealed = hand.put_on(licence, Keyword("盖章处", width=100, height=100))
    box = red_box(sealed, 1)
    assert box is not None
    centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    opened = pypdfium2.PdfDocument(licence)
    text = opened[0].get_textpage()
    at = text.get_text_range().index("盖章处")
    boxes = [text.get_charbox(index) for index in range(at, at + 3)]
    text.close()
    opened.close()
    assert centre[0] == pytest.approx((boxes[0][0] + boxes[2][2]) / 2, abs=3)
    assert centre[1] == pytest.approx((boxes[0][1] + boxes[0][3]) / 2, abs=3)
    await require_accepted(sealed, tmp_path / "sealed.pdf", hand)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_keyword_is_found_on_turned_pages(degrees: int, hand: TestSeal) -> None:
    upright = red_box(hand.put_on(turned(0), Keyword("盖章处", width=60, height=60)), 1)
    box = red_box(hand.put_on(turned(degrees), Keyword("盖章处", width=60, height=60)), 1)
    assert upright is not None
    assert box is not None
    x, y = (upright[0] + upright[2]) / 2, (upright[1] + upright[3]) / 2
    expected = {90: (y, A4[0] - x), 180: (A4[0] - x, A4[1] - y), 270: (A4[1] - y, x)}[degrees]
    assert ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) == pytest.approx(expected, abs=3)


def test_keywords_count_occurrences_from_both_ends(hand: TestSeal, long_document: bytes) -> None:
    size = {"width": 40, "height": 40}
    assert red_box(hand.put_on(long_document, Keyword("附页", occurrence=-1, offset_x=60, **size)), 7) is not None
    assert red_box(hand.put_on(long_document, Keyword("附页", occurrence=2, offset_x=60, **size)), 3) is not None
    with pytest.raises(KeywordNotFound):
        hand.put_on(long_document, Keyword("附页", occurrence=7, **size))
    with pytest.raises(KeywordNotFound):
        hand.put_on(long_document, Keyword("附页", page=1, **size))
    with pytest.raises(KeywordNotFound):
        hand.put_on(long_document, Keyword("没有这个词", **size))


async def test_every_page_shows_the_seal_under_one_signature(
    hand: TestSeal, long_document: bytes, tmp_path: Path
) -> None:
    sealed = hand.put_on(long_document, EveryPage(450, 40, 90, 90), certify=True)
    for page in range(1, 8):
        assert red_box(sealed, page) == pytest.approx((450, 40, 540, 130), abs=2)
    await require_accepted(sealed, tmp_path / "sealed.pdf", hand)


@pytest.mark.parametrize("edge", list(Edge))
async def test_the_strips_of_a_seam_seal_make_one_picture(
    edge: Edge, hand: TestSeal, long_document: bytes, tmp_path: Path
) -> None:
    sealed = hand.put_on(long_document, Several((Seam(edge, 0.5, 140),)))
    await require_accepted(sealed, tmp_path / "sealed.pdf", hand)
    whole = page_picture(hand.put_on(typeset(1), Rectangle(1, 200, 400, 140, 140)), 1)
    expected = whole.crop((200, whole.height - 540, 340, whole.height - 400))
    height = whole.height
    strips = []
    for page in range(1, 8):
        picture = page_picture(sealed, page)
        middle = height // 2
        box = (picture.width - 20, middle - 70, picture.width, middle + 70)
        strips.append(picture.crop(box if edge is Edge.RIGHT else (0, middle - 70, 20, middle + 70)))
    joined = expected.copy()
    for index, strip in enumerate(strips if edge is Edge.RIGHT else reversed(strips)):
        joined.paste(strip, (index * 20, 0))
    pairs = zip(joined.tobytes(), expected.tobytes(), strict=True)
    assert sum(abs(a - b) for a, b in pairs) / len(expected.tobytes()) < 30


def test_a_seam_seal_needs_two_sheets(hand: TestSeal, licence: bytes) -> None:
    with pytest.raises(BadPlacement, match="two pages"):
        hand.put_on(licence, Seam())


def test_a_long_document_repeats_the_seam(hand: TestSeal) -> None:
    document = hostile.many_pages(11)
    sealed = hand.put_on(document, Seam(diameter=120, sheets=4))
    widths = []
    for page in range(1, 12):
        box = red_box(sealed, page)
        widths.append(None if box is None else box[2] - box[0])
    assert all(width is not None and 8 <= width <= 41 for width in widths)


async def test_several_seals_stand_beside_each_other(hand: TestSeal, licence: bytes, tmp_path: Path) -> None:
    first = hand.put_on(licence, Rectangle(1, 60, 60, 90, 90))
    second = hand.put_on(first, Rectangle(1, 250, 60, 90, 90))
    third = hand.put_on(second, Invisible())
    await require_accepted(third, tmp_path / "sealed.pdf", hand, seals=3)
    with pytest.raises(BadPlacement, match="first signature"):
        hand.put_on(first, Several((Rectangle(1, 0, 0, 50, 50), Rectangle(1, 60, 0, 50, 50))))


async def test_a_certified_document_takes_a_further_seal(hand: TestSeal, licence: bytes, tmp_path: Path) -> None:
    certified = hand.put_on(licence, Rectangle(1, 60, 60, 90, 90), certify=True)
    with pytest.raises(CertifiedAgainstChange, match="without a picture"):
        hand.put_on(certified, Rectangle(1, 250, 60, 90, 90))
    sealed = hand.put_on(certified, Invisible())
    await require_accepted(sealed, tmp_path / "sealed.pdf", hand, seals=2)
    statuses = await pyhanko_statuses(sealed, [hand.certificate_der], AT)
    assert all(status.docmdp_ok for status in statuses)
    with pikepdf.open(io.BytesIO(certified)) as pdf:
        assert pdf.Root.Perms.DocMDP.Reference[0].TransformParams.P == 2


@pytest.mark.parametrize("streams", [True, False], ids=["cross-reference stream", "cross-reference table"])
async def test_the_update_ends_as_the_document_ends(hand: TestSeal, tmp_path: Path, *, streams: bool) -> None:
    mode = pikepdf.ObjectStreamMode.generate if streams else pikepdf.ObjectStreamMode.disable
    document = hostile.changed(lambda _: None, typeset(3), object_stream_mode=mode)
    sealed = hand.put_on(hand.put_on(document, Seam()), Rectangle(2, 60, 60, 90, 90))
    assert (b"\ntrailer" in sealed[len(document) :]) is not streams
    await require_accepted(sealed, tmp_path / "sealed.pdf", hand, seals=2)


async def test_rsa_3072_seals_too(licence: bytes, tmp_path: Path) -> None:
    hand = TestSeal("rsa-3072-sha256")
    await require_accepted(hand.put_on(licence, Rectangle(1, 60, 60)), tmp_path / "sealed.pdf", hand)


async def test_a_form_with_annotations_in_every_shape_is_extended(hand: TestSeal, tmp_path: Path) -> None:
    """/Annots and /Fields may be direct or indirect, the form too; each is changed where it stands."""

    def change(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.Annots = pdf.make_indirect(pikepdf.Array([]))
        pdf.Root.AcroForm = pdf.make_indirect(pikepdf.Dictionary(Fields=pdf.make_indirect(pikepdf.Array([]))))

    document = hostile.changed(change)
    sealed = hand.put_on(hand.put_on(document, Rectangle(1, 60, 60)), Rectangle(1, 250, 60))
    await require_accepted(sealed, tmp_path / "sealed.pdf", hand, seals=2)
    with pikepdf.open(io.BytesIO(sealed)) as pdf:
        assert [str(field.T) for field in pdf.Root.AcroForm.Fields] == ["Seal1", "Seal2"]
        assert len(pdf.pages[0].obj.Annots) == 2


def with_caption(appearance: Appearance, placement: Placement, document: bytes) -> bytes:
    face = SealFace(FACE.name, FACE.form, caption_for(appearance, FACE.name, AT))
    policy = ActiveContentPolicy.REFUSE
    prepared = make_ready(
        Order(document, face, placement, 3000, AT, False, trusted=True, active_content=policy)
    ).prepared
    return finish(document, prepared, b"")


def test_the_picture_carries_name_time_and_a_code_that_reads(licence: bytes) -> None:
    text = "https://verify.example.gov.cn/v#sdo_06h09goislok15hpj1qtioj7v8"
    everything = Appearance(show_name=True, show_time=True, qr_text=text)
    sealed = with_caption(everything, Rectangle(1, 40, 60, 400, 110), licence)
    opened = pypdfium2.PdfDocument(sealed)
    opened.init_forms()
    picture = opened[0].render(scale=3).to_pil().convert("L")
    opened.close()
    (code,) = zxingcpp.read_barcodes(picture)
    assert code.text == text
    middle = picture.crop((3 * 160, picture.height - 3 * 165, 3 * 320, picture.height - 3 * 65))
    assert middle.getextrema()[0] < 60, "there are words between seal and code"
    assert red_box(sealed, 1) == pytest.approx((40, 60, 150, 170), abs=2)


def test_words_stand_beneath_the_seal_in_a_high_rectangle(licence: bytes) -> None:
    sealed = with_caption(Appearance(show_name=True, show_time=True), Rectangle(1, 40, 60, 110, 140), licence)
    box = red_box(sealed, 1)
    assert box is not None
    assert box[1] > 75
    assert box[3] == pytest.approx(200, abs=2)


@pytest.mark.parametrize(
    ("appearance", "placement"),
    [
        (Appearance(qr_text="x" * 401), Rectangle(1, 40, 60, 400, 110)),
        (Appearance(qr_text=""), Rectangle(1, 40, 60, 400, 110)),
        (Appearance(qr_text="x" * 300), Rectangle(1, 40, 60, 120, 30)),
        (Appearance(qr_text="x"), Rectangle(1, 40, 60, 100, 100)),
        (Appearance(show_name=True), Rectangle(1, 40, 60, 32, 20)),
    ],
)
def test_a_caption_that_does_not_fit_is_refused(appearance: Appearance, placement: Rectangle, licence: bytes) -> None:
    with pytest.raises(BadPlacement):
        with_caption(appearance, placement, licence)


@settings(deadline=None)
@given(
    st.one_of(
        st.just(Invisible()),
        st.builds(Rectangle, st.integers(1, 9), st.floats(0, 500), st.floats(0, 500)),
        st.builds(Keyword, st.text("盖章处abc", min_size=1, max_size=9), st.none(), st.integers(1, 5)),
        st.builds(Seam, st.sampled_from(Edge), st.floats(0, 1)),
        st.builds(lambda x, y: Several((EveryPage(x, y), Seam())), st.floats(0, 99), st.floats(0, 99)),
    )
)
def test_placements_survive_the_way_through_json(placement: Placement) -> None:
    assert from_json(to_json(placement)) == placement


@pytest.mark.parametrize("token", [None, b"x", bytes(5000)])
@pytest.mark.parametrize("signature", [b"", b"\x00", b"\xff" * 70, bytes(range(72))])
@pytest.mark.parametrize("digest", [bytes(32), b"\xff" * 32, bytes(range(32))])
def test_the_cms_is_what_a_schema_library_reads_and_writes(
    digest: bytes, signature: bytes, token: bytes | None
) -> None:
    """The hand-written DER is parsed by asn1crypto and re-encoded without a difference."""
    seal = _CMS_SEAL
    wrapped = None if token is None else cms.ContentInfo({"content_type": "data", "content": token}).dump()
    encoded = seal.cms.signed_data(digest, signature, wrapped)
    parsed = cms.ContentInfo.load(encoded, strict=True)
    signed = parsed["content"]
    (signer,) = signed["signer_infos"]
    attributes = {attribute["type"].native: attribute["values"][0] for attribute in signer["signed_attrs"]}
    assert set(attributes) == {"content_type", "message_digest", "signing_certificate_v2", "cms_algorithm_protection"}
    assert attributes["message_digest"].native == digest
    essential = attributes["signing_certificate_v2"]["certs"][0]
    assert essential["cert_hash"].native == hashlib.sha256(seal.certificate_der).digest()
    assert signer["signature"].native == signature
    assert signer["signed_attrs"].untag().dump() == seal.cms.signed_attributes(digest)
    assert signed["version"].native == "v1"
    assert parsed.dump(force=True) == encoded
    assert len(encoded) <= seal.cms.size_with(len(wrapped or b""))


_CMS_SEAL = TestSeal()
