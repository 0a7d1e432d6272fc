"""What verifiers fetch: trust anchors, revocation lists, OCSP (RFC 6960), timestamps (RFC 3161)."""

import base64
import binascii
from textwrap import wrap
from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.schemas.common import binary, problems
from api.strict import StrictRoute
from foundation.errors import InvalidInput, LimitExceeded, NotFound
from keys.ca import Issuer

router = APIRouter(route_class=StrictRoute, tags=["trust"])

CA_CERTIFICATE = "application/pkix-cert"
OCSP_REQUEST, OCSP_RESPONSE = "application/ocsp-request", "application/ocsp-response"
TSA_REQUEST, TSA_RESPONSE = "application/timestamp-query", "application/timestamp-reply"
MAX_REQUEST_BYTES = 16 * 1024


@router.get(
    "/api/v1/trust-anchors",
    summary="Root and issuing certificates with their revocation lists, PEM",
    response_class=Response,
    responses=binary("application/x-pem-file", "Certificates, then revocation lists.") | problems(422, 503),
)
async def trust_anchors(request: Request) -> Response:
    """Return what a verifier needs offline: roots, issuing CAs, then the newest list of each."""
    services = services_of(request)
    lists = [await services.authority.crl_der(issuer) for issuer in await services.authority.issuers()]
    pem = (await services.keys.trust_anchors()).pem() + "".join(pem_block("X509 CRL", der) for der in lists)
    return Response(pem, media_type="application/x-pem-file", headers={"cache-control": "public, max-age=60"})


def pem_block(label: str, der: bytes) -> str:
    """Return the textual form of RFC 7468."""
    lines = wrap(base64.b64encode(der).decode(), 64)
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


@router.get(
    "/pki/crl/{issuer}",
    summary="Certificate revocation list of one CA, DER",
    response_class=Response,
    responses=binary("application/pkix-crl", "The list, DER.") | problems(404, 422, 503),
)
async def revocation_list(request: Request, issuer: str) -> Response:
    """Return the newest list; `issuer` is root, persons, seals or infrastructure, with or without `.crl`.

    A CA that followed another has its number in its name, such as `seals-2`.

    With `-delta` after an online CA's name: what was revoked since its newest full list.
    """
    name, delta = issuer.removesuffix(".crl"), False
    if name.endswith("-delta"):
        name, delta = name.removesuffix("-delta"), True
    ca = _issuer(name)
    authority = services_of(request).authority
    der = await (authority.delta_crl_der if delta else authority.crl_der)(ca)
    return Response(der, media_type="application/pkix-crl", headers={"cache-control": "public, max-age=60"})


def _issuer(name: str) -> Issuer:
    try:
        return Issuer(name)
    except ValueError as error:
        raise NotFound("There is no such issuing CA.") from error


@router.get(
    "/pki/ca/{issuer}",
    summary="Certificate of one CA, DER",
    response_class=Response,
    responses=binary(CA_CERTIFICATE, "Certificate, DER.") | problems(404, 422, 503),
)
async def authority_certificate(request: Request, issuer: str) -> Response:
    """Return a CA's own certificate, as the Authority Information Access of what it issued names it."""
    name = issuer.removesuffix(".cer")
    ca = _issuer(name)
    der = await services_of(request).authority.certificate_der(ca)
    return Response(der, media_type=CA_CERTIFICATE, headers={"cache-control": "public, max-age=3600"})


@router.post(
    "/pki/ocsp",
    summary="OCSP",
    response_class=Response,
    openapi_extra={"requestBody": {"content": {OCSP_REQUEST: {"schema": {"type": "string", "format": "binary"}}}}},
    responses=binary(OCSP_RESPONSE, "OCSPResponse, DER.") | problems(413, 422, 503),
)
async def ocsp_post(request: Request) -> Response:
    """Answer one OCSPRequest; a malformed one gets OCSP's own error response."""
    der = await services_of(request).ocsp.respond(await _binary(request))
    return Response(der, media_type=OCSP_RESPONSE)


@router.get(
    "/pki/ocsp/{request_b64:path}",
    summary="OCSP by GET",
    response_class=Response,
    responses=binary(OCSP_RESPONSE, "OCSPResponse, DER.") | problems(404, 413, 422, 503),
)
async def ocsp_get(request: Request, request_b64: str) -> Response:
    """Answer one OCSPRequest given as base64 in the address (RFC 6960 appendix A.1)."""
    if len(request_b64) > MAX_REQUEST_BYTES:
        raise LimitExceeded("The OCSP request is too long.")
    try:
        der_request = base64.b64decode(unquote(request_b64), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("The address must end in a base64 OCSPRequest.", field="request_b64") from error
    der = await services_of(request).ocsp.respond(der_request)
    return Response(der, media_type=OCSP_RESPONSE, headers={"cache-control": "public, max-age=60"})


@router.post(
    "/tsa",
    summary="Timestamps (RFC 3161)",
    response_class=Response,
    openapi_extra={"requestBody": {"content": {TSA_REQUEST: {"schema": {"type": "string", "format": "binary"}}}}},
    responses=binary(TSA_RESPONSE, "TimeStampResp, DER.") | problems(413, 422, 503),
)
async def timestamp(request: Request) -> Response:
    """Answer one TimeStampReq; a bad one gets a rejection in the protocol's own form."""
    der = await services_of(request).timestamps.respond(await _binary(request))
    return Response(der, media_type=TSA_RESPONSE)


async def _binary(request: Request) -> bytes:
    body = await request.body()
    if len(body) > MAX_REQUEST_BYTES:
        raise LimitExceeded(f"A request of this protocol takes at most {MAX_REQUEST_BYTES} bytes.")
    return body
