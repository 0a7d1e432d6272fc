"""Whether the signatures a document brings along still hold.

A seal put on a document whose signature is broken would lend it credit. Trust is not judged here,
only that the bytes are those that were signed; pyHanko knows every algorithm that may come.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import validate_sig_integrity

from signing.errors import BrokenExistingSignature

if TYPE_CHECKING:
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

DOCUMENT_TIMESTAMP = "/DocTimeStamp"


def require_intact(document: bytes) -> None:
    """Check every signature and timestamp a document carries; raises BrokenExistingSignature."""
    name = "?"
    try:
        for signature in PdfFileReader(io.BytesIO(document)).embedded_signatures:
            name = signature.field_name
            if not _holds(signature):
                raise BrokenExistingSignature(f"The signature {name!r} is broken.", field="document")
    except (PdfError, SigningError, SignatureValidationError, ValueError, TypeError, KeyError) as error:
        raise BrokenExistingSignature(f"The signature {name!r} cannot be read.", field="document") from error


def _holds(signature: EmbeddedPdfSignature) -> bool:
    covered = signature.compute_digest()
    kind, digest = "data", covered
    if signature.sig_object_type == DOCUMENT_TIMESTAMP:
        content = signature.signed_data["encap_content_info"]["content"]
        imprint = content.parsed["message_imprint"]
        covered = signature.compute_digest(imprint["hash_algorithm"]["algorithm"].native)
        if imprint["hashed_message"].native != covered:
            return False
        algorithm = signature.signer_info["digest_algorithm"]["algorithm"].native
        kind, digest = "tst_info", hashlib.new(algorithm, bytes(content)).digest()
    intact, valid = validate_sig_integrity(signature.signer_info, signature.signer_cert, kind, digest)
    return bool(intact and valid)
