"""Trust anchors from a PEM file: certificates, and revocation lists beside them."""

from __future__ import annotations

import base64
import binascii
import re

from asn1crypto import crl, x509

from foundation.errors import InvalidInput
from verification.trust import TrustMaterial

_BLOCK = re.compile(rb"-----BEGIN (CERTIFICATE|X509 CRL)-----\s+([A-Za-z0-9+/=\s]+?)-----END \1-----")


def read_anchors(unverified_pem: bytes) -> TrustMaterial:
    """Read a PEM file into trust material; raises InvalidInput.

    Self-signed certificates are anchors and the others help to build paths; without any
    self-signed one every certificate given is an anchor, since that is what it was given for.
    """
    certificates, lists = [], []
    for label, body in _BLOCK.findall(unverified_pem):
        try:
            der = base64.b64decode(b"".join(body.split()), validate=True)
            if label == b"CERTIFICATE":
                certificates.append(x509.Certificate.load(der, strict=True))
                _ = certificates[-1].subject.hashable
            else:
                lists.append(crl.CertificateList.load(der, strict=True))
                _ = lists[-1].issuer.hashable
        except (ValueError, TypeError, binascii.Error) as error:
            raise InvalidInput("A block of the anchors file is damaged.", field="anchors") from error
    if not certificates:
        raise InvalidInput("The anchors file holds no certificate in PEM form.", field="anchors")
    own = [item.dump() for item in certificates if item.subject.hashable == item.issuer.hashable]
    roots = own or [item.dump() for item in certificates]
    issued = [item["tbs_cert_list"]["this_update"].native for item in lists]
    return TrustMaterial(
        roots_der=tuple(roots),
        intermediates_der=tuple(item.dump() for item in certificates if item.dump() not in roots),
        crls_der=tuple(item.dump() for item in lists),
        data_as_of=min(issued, default=None),
        # Whoever hands over anchors and no list vouches for them as they are; the report says what was not looked up.
        revocation_required=bool(lists),
    )
