"""Every address that stands in a certificate of ours answers, and says what the certificate promises."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from keys.model import KeyPurpose

if TYPE_CHECKING:
    from keys.model import KeyInfo
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def tsa(city: City) -> KeyInfo:
    return await city.application.keys.service.active(KeyPurpose.TSA)


def addresses(certificate: x509.Certificate) -> dict[object, str]:
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    found = {one.access_method: urlsplit(one.access_location.value).path for one in access}
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name is not None
    return found | {"crl": urlsplit(points[0].full_name[0].value).path}


async def test_the_issuers_certificate_and_list_are_there(city: City) -> None:
    leaf, issuer = (x509.load_der_x509_certificate(der) for der in (await tsa(city)).certificate_chain_der)
    found = addresses(leaf)
    fetched = await city.http.get(found[AuthorityInformationAccessOID.CA_ISSUERS])
    assert (fetched.status_code, fetched.headers["content-type"]) == (200, "application/pkix-cert")
    assert x509.load_der_x509_certificate(fetched.content) == issuer
    listed = await city.http.get(found["crl"])
    assert (listed.status_code, listed.headers["content-type"]) == (200, "application/pkix-crl")
    assert x509.load_der_x509_crl(listed.content).issuer == issuer.subject
    delta = await city.http.get(found["crl"].replace(".crl", "-delta.crl"))
    assert x509.load_der_x509_crl(delta.content).extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    top = await city.http.get(addresses(issuer)[AuthorityInformationAccessOID.CA_ISSUERS])
    issuer.verify_directly_issued_by(x509.load_der_x509_certificate(top.content))


async def test_the_responder_answers_both_ways(city: City) -> None:
    leaf, issuer = (x509.load_der_x509_certificate(der) for der in (await tsa(city)).certificate_chain_der)
    address = addresses(leaf)[AuthorityInformationAccessOID.OCSP]
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, SHA256()).build().public_bytes(Encoding.DER)
    posted = await city.http.post(address, content=request, headers={"content-type": "application/ocsp-request"})
    got = await city.http.get(f"{address}/{quote(base64.b64encode(request).decode(), safe='')}")
    for answer in (posted, got):
        assert answer.headers["content-type"] == "application/ocsp-response"
        assert ocsp.load_der_ocsp_response(answer.content).certificate_status is ocsp.OCSPCertStatus.GOOD


@pytest.mark.parametrize("path", ["/pki/ca/nobody.cer", "/pki/crl/root-delta.crl", "/pki/crl/nobody.crl"])
async def test_what_is_not_there_is_not_found(city: City, path: str) -> None:
    assert (await city.http.get(path)).status_code == 404
