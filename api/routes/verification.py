"""Verification: with a department's token, or without one within a limit."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.schemas.common import binary, problems
from api.schemas.verification import (
    ETSI_REPORT,
    XML,
    At,
    ByIdentifier,
    ByQr,
    ByReceipt,
    Include,
    KnownAt,
    ReportAnswer,
    VerifiedAnswer,
    VerifiedPdfAnswer,
    previews_json,
)
from api.strict import StrictRoute
from api.thin import BodyRoute
from verification.etsi_report import etsi_report
from verification.service import Verified

PDF = "application/pdf"
RECEIPT_PDF = binary(PDF, "The receipt on paper, sealed (PAdES), the signed text attached.")
hot_router = APIRouter(route_class=BodyRoute, tags=["verification"])
router = APIRouter(route_class=StrictRoute, tags=["verification"])


@hot_router.post(
    "/api/v1/verifications/identifier",
    summary="Verify by licence identifier",
    response_model=VerifiedAnswer,
    responses=problems(400, 401, 403, 413, 422, 429, 503),
)
async def by_identifier(request: Request, body: ByIdentifier) -> Response:
    """Judge a licence by its identifier; holder data is only compared with what the asker supplies."""
    verified = await services_of(request).verification.by_identifier(
        principal_of(request), body.identifier, compare=body.compare.given(), at=body.at, known_at=body.known_at
    )
    return _answer(request, "identifier", verified)


@hot_router.post(
    "/api/v1/verifications/qr",
    summary="Verify the text of a code",
    response_model=VerifiedAnswer,
    responses=problems(400, 401, 403, 413, 422, 429, 503),
)
async def by_qr(request: Request, body: ByQr) -> Response:
    """Judge an HF1 code online; a good code still says nothing about who holds it up."""
    verified = await services_of(request).verification.by_qr(
        principal_of(request), body.text, at=body.at, known_at=body.known_at
    )
    return _answer(request, "qr", verified)


@router.post(
    "/api/v1/verifications/pdf",
    summary="Verify a PDF",
    response_model=VerifiedPdfAnswer,
    responses={**ETSI_REPORT, **problems(400, 401, 403, 413, 415, 422, 429, 503)},
)
async def by_pdf(
    request: Request,
    document: Annotated[UploadFile, File(description="Ours or a stranger's, at most 50 MB.")],
    at: Annotated[At, Form()] = None,
    known_at: Annotated[KnownAt, Form()] = None,
    include: Annotated[Include | None, Form(description="What comes with the answer, besides the verdict.")] = None,
) -> Response:
    """Judge the seals of a PDF (EN 319 102-1); a forged one is a successful request with its verdict.

    With `Accept: application/xml` the answer is the validation report of ETSI TS 119 102-2, and the
    receipt stands in the header `hufu-receipt`.
    """
    as_xml = XML in request.headers.get("accept", "")
    wanted = include or Include.NOTHING
    verified = await services_of(request).verification.by_pdf(
        principal_of(request),
        await document.read(),
        at=at,
        known_at=known_at,
        examine=as_xml or wanted.report,
        previews=wanted.previews and not as_xml,
    )
    if as_xml:
        request.app.state.metrics.verdict("pdf", verified.report.verdict.value)
        headers = {"cache-control": "no-store", "hufu-receipt": verified.receipt}
        return Response(etsi_report(verified.report), media_type=XML, headers=headers)
    more: dict[str, Any] = {"etsi_report": etsi_report(verified.report).decode()} if wanted.report else {}
    if wanted.previews:
        more["previews"] = previews_json(verified.previews)
    return _answer(request, "pdf", verified, more)


@router.post(
    "/api/v1/verifications/receipt",
    summary="Check a receipt",
    response_model=ReportAnswer,
    responses=problems(400, 401, 403, 413, 422, 429, 503),
)
async def by_receipt(request: Request, body: ByReceipt) -> Response:
    """Check one of our receipts and repeat what it says."""
    report = await services_of(request).verification.by_receipt(body.receipt)
    request.app.state.metrics.verdict("receipt", report.verdict.value)
    return Response(orjson.dumps(report.to_json()), media_type="application/json")


@router.post(
    "/api/v1/verifications/receipt/document",
    summary="A receipt as a sealed PDF",
    response_class=Response,
    responses={**RECEIPT_PDF, **problems(400, 401, 403, 404, 413, 422, 429, 503)},
)
async def receipt_document(request: Request, body: ByReceipt) -> Response:
    """Set one of our receipts as a document that anybody can verify later, here or with `hufu verify`."""
    pdf = await services_of(request).verification.receipt_paper(body.receipt)
    headers = {"content-disposition": 'attachment; filename="receipt.pdf"', "cache-control": "no-store"}
    return Response(pdf, media_type=PDF, headers=headers)


def _answer(request: Request, way: str, verified: Verified, more: dict[str, Any] | None = None) -> Response:
    request.app.state.metrics.verdict(way, verified.report.verdict.value)
    body = {"report": verified.report.to_json(), "receipt": verified.receipt, "receipt_id": verified.receipt_id}
    body |= more or {}
    return Response(orjson.dumps(body), media_type="application/json", headers={"cache-control": "no-store"})
