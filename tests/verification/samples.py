"""Sealed PDFs made with stock pyHanko, so that nothing of ours judges itself."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pikepdf
from asn1crypto import crl as asn1_crl
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.validation.dss import DocumentSecurityStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pyhanko.sign.timestamps import TimeStamper

    from tests.verification.pki import Identity, Pki


T = TypeVar("T")


def blank(*, pages: int = 1, text: str = "LICENCE 2026", object_streams: bool = False) -> bytes:
    """Return a plain PDF with a line of text on each page."""
    pdf = pikepdf.new()
    for number in range(pages):
        page = pdf.add_blank_page(page_size=(595, 842))
        page.Contents = pdf.make_stream(f"BT /F1 24 Tf 72 700 Td ({text} {number + 1}) Tj ET".encode())
        page.Resources = pikepdf.Dictionary(
            Font=pikepdf.Dictionary(
                F1=pdf.make_indirect(
                    pikepdf.Dictionary(
                        Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
                    )
                )
            )
        )
    mode = pikepdf.ObjectStreamMode.generate if object_streams else pikepdf.ObjectStreamMode.disable
    out = io.BytesIO()
    pdf.save(out, object_stream_mode=mode)
    return out.getvalue()


def seal(
    document: bytes,
    pki: Pki,
    *,
    timestamp: bool = True,
    identity: Identity | None = None,
    field: str = "Seal1",
    cades: bool = True,
    visible: bool = False,
    certify: MDPPerm | None = None,
    strict: bool = True,
    timestamper: TimeStamper | None = None,
) -> bytes:
    """Seal with a stock signer: PAdES B-T with a timestamp, else B-B."""
    metadata = signers.PdfSignatureMetadata(
        field_name=field,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES if cades else SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
        certify=certify is not None,
        docmdp_permissions=certify or MDPPerm.FILL_FORMS,
    )
    signer = signers.PdfSigner(
        metadata,
        signer=pki.signer(identity),
        timestamper=timestamper or (pki.timestamper() if timestamp else None),
        new_field_spec=SigFieldSpec(field, box=(300, 100, 400, 200)) if visible else None,
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(document), strict=strict)
    return apart(lambda: signer.sign_pdf(writer).getvalue())


def add_dss(document: bytes, pki: Pki, *, crls: tuple[bytes, ...] | None = None) -> bytes:
    """Append a DSS with the certificates and revocation lists: B-LT."""
    out = io.BytesIO(document)
    writer = IncrementalPdfFileWriter(out)
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        None,
        certs=[pki.issuing.asn1, pki.root.asn1],
        crls=[asn1_crl.CertificateList.load(der) for der in crls or pki.crls()],
    )
    writer.write_in_place()
    return out.getvalue()


def add_document_timestamp(document: bytes, pki: Pki, *, at: datetime | None = None) -> bytes:
    """Append a document timestamp: B-LTA."""
    stamper = signers.PdfTimeStamper(pki.timestamper(at) if at else pki.timestamper())
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    return apart(lambda: stamper.timestamp_pdf(writer, "sha256").getvalue())


def update(document: bytes, change: Callable[[IncrementalPdfFileWriter], object]) -> bytes:
    """Append an incremental update in which `change(writer)` did something."""
    out = io.BytesIO(document)
    writer = IncrementalPdfFileWriter(out)
    change(writer)
    writer.write_in_place()
    return out.getvalue()


def good_documents(pki: Pki) -> dict[str, bytes]:
    """Return a sealed document of each kind, all of them good."""
    timed = seal(blank(), pki)
    return {
        "b_b": seal(blank(), pki, timestamp=False),
        "b_t": timed,
        "b_lt": add_dss(timed, pki),
        "b_lta": add_document_timestamp(add_dss(timed, pki), pki),
        "cms": seal(blank(), pki, cades=False),
        "visible": seal(blank(pages=2), pki, visible=True),
        "two_seals": seal(timed, pki, field="Seal2"),
        "certified": seal(blank(), pki, certify=MDPPerm.NO_CHANGES),
        "object_streams": seal(blank(object_streams=True), pki),
    }


def apart(call: Callable[[], T]) -> T:
    """Run synchronous pyHanko code, which starts its own event loop, away from the test's."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()
