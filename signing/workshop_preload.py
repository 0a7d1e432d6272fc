"""Loads what reading documents takes, once, in the process the workshop's are forked from.

They may open no file afterwards, so everything that libraries load late is used here for a first time: an
empty page is sealed with every kind of picture, painted anew, and its signature checked.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pikepdf
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding

from signing.captions import Caption
from signing.cms import SealCms
from signing.existing_signatures import require_intact
from signing.model import ActiveContentPolicy, SealKind
from signing.pades import SealFace
from signing.placement import EveryPage, Keyword, Seam
from signing.preparation import Order, make_ready
from signing.seal_image import draw
from signing.signature_field import finish

ALGORITHM = "ecdsa-p256-sha256"
NAME = "印章"
SHOWN = b"BT /F1 24 Tf 72 700 Td (seal here) Tj ET "
HIDDEN = b"BT 3 Tr /F1 24 Tf 72 600 Td (unseen) Tj ET"
"""Text that nobody sees, so that the page is painted to a picture."""


def warm_up() -> None:
    """Do once what the processes will do."""
    now = datetime.now(UTC)
    key, certificate_der = _throwaway(now)
    cms = SealCms(ALGORITHM, (certificate_der,))
    face = SealFace(NAME, draw(SealKind.STATUTORY, NAME).form, Caption((NAME, "2026-01-01"), "HF1"))
    placed = (
        (Keyword("seal", offset_x=160, width=400, height=120), SHOWN),
        (EveryPage(100, 100, width=400, height=120), SHOWN + HIDDEN),
        (Seam(), SHOWN),
    )
    for place, text in placed:
        order = Order(
            _pages(text), face, place, cms.size_with(0), now, False, trusted=False,
            active_content=ActiveContentPolicy.FLATTEN,
        )  # fmt: skip
        ready = make_ready(order)
    prepared, source = ready.prepared, ready.source or order.document
    digest = cms.to_be_signed_digest(prepared.signed_bytes_digest)
    signature = key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    require_intact(finish(source, prepared, cms.signed_data(prepared.signed_bytes_digest, signature, None)))


def _pages(text: bytes) -> bytes:
    pdf, out = pikepdf.new(), io.BytesIO()
    for _ in range(2):
        page = pdf.add_blank_page(page_size=(595, 842))
        page.Contents = pdf.make_stream(text)
        font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=pdf.make_indirect(font)))
    pdf.save(out)
    return out.getvalue()


def _throwaway(now: datetime) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=warm-up")
    day = timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
    return key, builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


# The one module that works when it is imported: the fork server offers no other moment before the first fork.
warm_up()
