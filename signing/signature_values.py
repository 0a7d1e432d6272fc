"""Reading signature values that we wrote ourselves back out of a document."""

from __future__ import annotations

from asn1crypto import cms as asn1_cms

from signing.errors import BrokenPdf
from signing.pdf_file import PdfFile

DOCUMENT_TIMESTAMP = "/DocTimeStamp"


def seal_signature(document: bytes, contents_at: int, contents_size: int) -> tuple[bytes, bytes | None]:
    """Return a seal's signature, and its timestamp token if it has one.

    Args:
        document: the whole file.
        contents_at: where the `<` of its /Contents stands.
        contents_size: how many bytes /Contents has room for.
    """
    digits = document[contents_at + 1 : contents_at + 1 + 2 * contents_size]
    signer_info = asn1_cms.ContentInfo.load(bytes.fromhex(digits.decode("ascii")))["content"]["signer_infos"][0]
    token = None
    for attribute in signer_info["unsigned_attrs"]:
        if attribute["type"].native == "signature_time_stamp_token":
            token = attribute["values"][0].dump()
    return signer_info["signature"].native, token


def document_timestamp_token(document: bytes) -> bytes:
    """Return the token of a document's newest document timestamp; raises BrokenPdf when it has none."""
    with PdfFile(document) as file:
        for value in reversed(file.signature_dictionaries()):
            if value.get("/Type") == DOCUMENT_TIMESTAMP:
                token: bytes = asn1_cms.ContentInfo.load(bytes(value.Contents)).dump()
                return token
    raise BrokenPdf("The document has no document timestamp.")
