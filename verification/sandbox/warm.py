"""Makes the parsers load everything they load late, while files may still be opened.

A throwaway key seals an empty page, and the gate judges it. That the gate then calls the
seal untrusted, and nothing worse, is also the worker's own test before it takes work.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pikepdf
import pypdfium2 as pdfium
from asn1crypto import keys, x509
from cryptography import x509 as x509_builder
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PIL import Image
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore

from verification.limits import DEFAULT_LIMITS
from verification.model import Indication
from verification.pdf.event_loop import run
from verification.pdf.gate import validate_pdf
from verification.pdf.pictures import code_in_picture, codes_on_page
from verification.sandbox.codec import encode_request
from verification.trust import TrustMaterial


class BrokenWorker(Exception):
    """The parsers do not work together here; the worker must not take files."""


def warm_up() -> tuple[bytes, bytes]:
    """Seal an empty page with a key made now and judge it; return the request and the page. Raises BrokenWorker."""
    now = datetime.now(UTC)
    certificate_der, key_der = _throwaway(now)
    document = run(_seal(certificate_der, key_der))
    _open_pictures()
    with pdfium.PdfDocument(document) as opened:
        codes_on_page(opened[0])
    material = TrustMaterial(roots_der=(certificate_der,))
    trusted = validate_pdf(document, material, at=now)
    stranger = validate_pdf(document, TrustMaterial(roots_der=()), at=now)
    if (trusted.indication, stranger.indication) != (Indication.TOTAL_PASSED, Indication.INDETERMINATE):
        raise BrokenWorker(f"{trusted.sub_indication} {stranger.sub_indication}")
    return encode_request(material, now, DEFAULT_LIMITS), document


def _open_pictures() -> None:
    """Let the picture library load its readers, which it does at the first picture of each kind."""
    for kind in ("PNG", "JPEG"):
        out = io.BytesIO()
        Image.new("L", (64, 64), 255).save(out, kind)
        if code_in_picture(out.getvalue()) is not None:
            raise BrokenWorker("A code was found where there is none.")


def _throwaway(now: datetime) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509_builder.Name([x509_builder.NameAttribute(NameOID.COMMON_NAME, "warm-up")])
    certificate = (
        x509_builder.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509_builder.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(minutes=1))
        .sign(key, hashes.SHA256())
    )
    key_der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.DER), key_der


async def _seal(certificate_der: bytes, key_der: bytes) -> bytes:
    blank = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.save(blank)
    signer = signers.SimpleSigner(
        signing_cert=x509.Certificate.load(certificate_der),
        signing_key=keys.PrivateKeyInfo.load(key_der),
        cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call] # pyHanko is partly typed
    )
    metadata = signers.PdfSignatureMetadata(field_name="W", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
    sealed = await signers.PdfSigner(metadata, signer=signer).async_sign_pdf(IncrementalPdfFileWriter(blank))
    return bytes(sealed.getvalue())
