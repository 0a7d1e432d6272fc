"""Certificates and revocation data at hand: the caller's, and what the document carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asn1crypto import crl, ocsp, x509
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError

from verification.pdf.recheck import Knowledge

if TYPE_CHECKING:
    from verification.pdf.document import OpenDocument
    from verification.trust import TrustMaterial


def gather_knowledge(opened: OpenDocument, material: TrustMaterial) -> Knowledge:
    """Return everything a path or a revocation check may use; none of it is trusted by being there."""
    certificates = [x509.Certificate.load(der) for der in material.intermediates_der]
    crls = [crl.CertificateList.load(der) for der in material.crls_der]
    responses = [ocsp.OCSPResponse.load(der) for der in material.ocsp_responses_der]
    try:
        store = DocumentSecurityStore.read_dss(opened.reader)
    except NoDSSFoundError:
        return Knowledge(tuple(certificates), tuple(crls), tuple(responses))
    certificates += store.load_certs()
    crls += [crl.CertificateList.load(item.get_object().read_data(DecodePurpose.CRL)) for item in store.crls]
    responses += [
        ocsp.OCSPResponse.load(item.get_object().read_data(DecodePurpose.OCSP_RESPONSE)) for item in store.ocsps
    ]
    return Knowledge(tuple(certificates), tuple(crls), tuple(responses))
