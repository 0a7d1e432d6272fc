"""Licences: issue, read, change state; the public type catalogue."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.schemas.common import Identifier, binary, problems
from api.schemas.licences import (
    JWT,
    SIGNED_CATALOGUE,
    ChangeState,
    IssueLicence,
    LicenceAnswer,
    LicenceList,
    ReviseLicence,
    SearchLicences,
    StateAnswer,
    StateList,
    StatisticsAnswer,
    TypeAnswer,
    TypeList,
)
from api.strict import StrictRoute, one_header
from licence_vault import qr
from licence_vault.model import Purpose

router = APIRouter(route_class=StrictRoute, tags=["licences"])
catalogue_router = APIRouter(route_class=StrictRoute, tags=["catalogue"])

PathIdentifier = Annotated[Identifier, Path(description="GB/T 36904 identifier, with dots.")]
TypeCode = Annotated[str, Path(min_length=1, max_length=40)]
Matter = Annotated[str | None, Query(max_length=64, description="Matter the reading is for.")]
Case = Annotated[str, Query(max_length=60, description="Case number at the reader.")]
Why = Annotated[str, Query(max_length=300, description="One sentence the holder will see.")]
IdempotencyKey = Annotated[str, Header(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]
Operator = Annotated[str, Query(max_length=60, description="Staff number of who reads, for another department's.")]
PRIVATE = {"cache-control": "no-store"}


@router.post(
    "/api/v1/licences",
    status_code=201,
    summary="Issue a licence",
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def issue(request: Request, body: IssueLicence, idempotency_key: IdempotencyKey) -> LicenceAnswer:
    """Check the data against the type's schema, render, seal, store; verifiable when this returns.

    The same `Idempotency-Key` with the same data returns the same licence.
    """
    one_header(request, "idempotency-key")
    licence = await services_of(request).licences.issue(principal_of(request), body.to_request(idempotency_key))
    return LicenceAnswer.model_validate(licence)


@router.get(
    "/api/v1/licences", summary="Newest licences of the caller's organisation", responses=problems(401, 403, 422)
)
async def of_issuer(request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> LicenceList:
    """List what the caller's own organisation issued."""
    found = await services_of(request).licences.of_issuer(principal_of(request), limit=limit)
    return LicenceList(licences=[LicenceAnswer.model_validate(licence) for licence in found])


@router.get("/api/v1/licences/{identifier}", summary="Read a licence", responses=problems(401, 403, 404, 422, 429))
async def read(
    request: Request,
    identifier: PathIdentifier,
    matter_code: Matter = None,
    case_number: Case = "",
    reason: Why = "",
    operator: Operator = "",
) -> LicenceAnswer:
    """Return a licence to an entitled department; the holder sees that it was read, and why.

    With a token whose holder allowed `licence_access` (RFC 9396): that licence's allowed fields, once or for
    the period, for the matter that was allowed.
    """
    purpose, principal = Purpose(matter_code, case_number, reason, operator), principal_of(request)
    if principal.authorization is not None:
        licence = await services_of(request).vault.authorised.read(principal, identifier, purpose)
    else:
        licence = await services_of(request).licences.get(principal, identifier, purpose)
    return LicenceAnswer.model_validate(licence)


@router.get(
    "/api/v1/licences/{identifier}/pdf",
    summary="The sealed PDF of a licence",
    response_class=Response,
    responses=binary("application/pdf", "PDF/A-3b with seal and attached metadata.")
    | problems(401, 403, 404, 422, 429),
)
async def pdf(
    request: Request,
    identifier: PathIdentifier,
    matter_code: Matter = None,
    case_number: Case = "",
    reason: Why = "",
    operator: Operator = "",
) -> Response:
    """Return the sealed file; leaves a receipt like every reading."""
    purpose = Purpose(matter_code, case_number, reason, operator)
    document = await services_of(request).licences.face_pdf(principal_of(request), identifier, purpose)
    return Response(document.pdf, media_type="application/pdf", headers=PRIVATE)


@router.get(
    "/api/v1/licences/{identifier}/qr.png",
    summary="The licence's code as a picture",
    response_class=Response,
    responses=binary("image/png", "The HF1 code.") | problems(401, 403, 404, 422, 429),
)
async def qr_picture(request: Request, identifier: PathIdentifier) -> Response:
    """Return the code for paper and cards."""
    licence = await services_of(request).licences.get(principal_of(request), identifier)
    return Response(qr.picture_png(licence.qr_text), media_type="image/png", headers=PRIVATE)


@router.get(
    "/api/v1/licences/{identifier}/states", summary="Every recorded state", responses=problems(401, 403, 404, 422)
)
async def states(request: Request, identifier: PathIdentifier) -> StateList:
    """Return what was recorded about the state, oldest first, with reasons and dates."""
    found = await services_of(request).licences.history(principal_of(request), identifier)
    return StateList(states=[StateAnswer.model_validate(record) for record in found])


@router.post(
    "/api/v1/licences/{identifier}/states",
    status_code=201,
    summary="Change a licence's state",
    responses=problems(400, 401, 403, 404, 409, 422),
)
async def change_state(request: Request, identifier: PathIdentifier, body: ChangeState) -> LicenceAnswer:
    """Suspend, restore, cancel, revoke …, with reason and legal basis; the next verification knows."""
    changed = await services_of(request).licences.change_state(principal_of(request), identifier, body.to_change())
    return LicenceAnswer.model_validate(changed)


@router.post(
    "/api/v1/licences/{identifier}/revisions",
    status_code=201,
    summary="Issue a new version of a licence",
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def revise(
    request: Request, identifier: PathIdentifier, body: ReviseLicence, idempotency_key: IdempotencyKey
) -> LicenceAnswer:
    """Change 变更, extend 延续 or correct 更正: the new version is verifiable at once, the old one superseded with it.

    The same `Idempotency-Key` with the same data returns the same version.
    """
    one_header(request, "idempotency-key")
    revision = body.to_revision(idempotency_key)
    revised = await services_of(request).licences.revise(principal_of(request), identifier, revision)
    return LicenceAnswer.model_validate(revised)


@router.post(
    "/api/v1/licence-searches",
    summary="Licences of a holder, for a case",
    responses=problems(400, 401, 403, 404, 422, 429),
)
async def search(request: Request, body: SearchLicences) -> LicenceList:
    """Return what the sharing list opens of a holder's licences of one type, ex officio 依职权.

    Takes a sender-constrained token. Every question counts against the operator's quota, whether
    or not there is such a licence; the holder is told of every licence read.
    """
    services = services_of(request)
    found = await services.licences.of_holder_ex_officio(
        principal_of(request), body.holder(), body.type_code, body.purpose()
    )
    return LicenceList(licences=[LicenceAnswer.model_validate(licence) for licence in found])


@router.get("/api/v1/statistics", summary="Figures of the caller's organisation", responses=problems(401, 403))
async def statistics(request: Request) -> StatisticsAnswer:
    """Count licences by type and state, issues by day, and readings by way."""
    return StatisticsAnswer.model_validate(await services_of(request).vault.statistics.figures(principal_of(request)))


@catalogue_router.get(
    "/api/v1/licence-types",
    summary="The type catalogue 证照目录",
    response_model=TypeList,
    responses=SIGNED_CATALOGUE | problems(429, 503),
)
async def licence_types(request: Request) -> Response:
    """Return the current version of every published type; with `Accept: application/jwt`, signed as trust lists are."""
    services, headers = services_of(request), {"vary": "accept", "cache-control": "public, max-age=60"}
    if JWT not in request.headers.get("accept", ""):
        types = [TypeAnswer.model_validate(one.published()) for one in await services.catalogue.types()]
        return Response(TypeList(types=types).model_dump_json(), media_type="application/json", headers=headers)
    signed = await services.vault.published.published()
    headers["etag"] = signed.etag
    if signed.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(signed.body, media_type=JWT, headers=headers)


@catalogue_router.get(
    "/api/v1/licence-types/{type_code}", summary="One licence type", responses=problems(404, 422, 429)
)
async def licence_type(request: Request, type_code: TypeCode) -> TypeAnswer:
    """Return a published type with the JSON Schema of its face."""
    return TypeAnswer.model_validate((await services_of(request).catalogue.get(type_code)).published())
