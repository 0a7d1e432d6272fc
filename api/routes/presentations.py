"""OpenID4VP as a verifier: a department asks, a wallet answers, the department collects."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.schemas.common import problems
from api.schemas.presentations import (
    AskPresentation,
    CollectedAnswer,
    CollectPresentation,
    PresentationAnswer,
    StartedAnswer,
)
from api.strict import StrictRoute, one_header
from foundation.errors import InvalidInput, NotFound
from verification.presentation.request_object import TYPE
from verification.presentation.service import PresentationService

router = APIRouter(route_class=StrictRoute, tags=["presentations"])

FORM = "application/x-www-form-urlencoded"
REQUEST_OBJECT = f"application/{TYPE}"
NO_STORE = {"cache-control": "no-store"}
TransactionId = Annotated[str, Path(min_length=1, max_length=64)]
Handle = Annotated[str, Path(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


def _form_of(*names: str) -> dict[str, Any]:
    properties = {name: {"type": "string"} for name in names}
    return {"requestBody": {"content": {FORM: {"schema": {"type": "object", "properties": properties}}}}}


def presentations_of(request: Request) -> PresentationService:
    """Return the service; raises NotFound where there is none."""
    found = services_of(request).verification_parts.presentations
    if found is None:
        raise NotFound("This service asks no wallets.")
    return found


@router.post(
    "/api/v1/presentations",
    status_code=201,
    summary="Ask a person's wallet for credentials",
    responses=problems(400, 401, 403, 413, 422, 429, 503),
)
async def start(request: Request, body: AskPresentation) -> StartedAnswer:
    """Start a request: show `wallet_link` as a QR code, or open it on the device the wallet is on."""
    return StartedAnswer.of(await presentations_of(request).start(principal_of(request), body.request()))


@router.get(
    "/api/v1/presentations/{transaction_id}",
    summary="Has the wallet answered?",
    responses=problems(401, 403, 404, 422, 503),
)
async def status(request: Request, transaction_id: TransactionId) -> PresentationAnswer:
    """Return how far the request is; nothing of what was presented."""
    return PresentationAnswer.model_validate(
        await presentations_of(request).status(principal_of(request), transaction_id)
    )


@router.delete(
    "/api/v1/presentations/{transaction_id}",
    status_code=204,
    summary="Take a request back",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def cancel(request: Request, transaction_id: TransactionId) -> None:
    """End a request nobody answered."""
    await presentations_of(request).cancel(principal_of(request), transaction_id)


@router.post(
    "/api/v1/presentations/{transaction_id}/collection",
    summary="Collect the verdict and what was presented",
    response_model=CollectedAnswer,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def collect(request: Request, transaction_id: TransactionId, body: CollectPresentation) -> Response:
    """Return everything once and forget it; on the same device with the code the person was led back with."""
    found = await presentations_of(request).collect(principal_of(request), transaction_id, body.response_code)
    request.app.state.metrics.verdict("presentation", found.report["verdict"])
    answer = {
        "report": found.report,
        "receipt": found.receipt,
        "receipt_id": found.receipt_id,
        "credentials": found.credentials,
    }
    return Response(orjson.dumps(answer), media_type="application/json", headers=NO_STORE)


@router.get(
    "/openid4vp/requests/{handle}",
    summary="Request object (OpenID4VP 1.0, RFC 9101)",
    response_class=Response,
    responses={200: {"content": {REQUEST_OBJECT: {}}}, **problems(404, 422, 429, 503)},
)
async def request_object(request: Request, handle: Handle) -> Response:
    """Return the signed request to a wallet."""
    token = await presentations_of(request).request_object(handle)
    return Response(token, media_type=REQUEST_OBJECT, headers=NO_STORE)


@router.post(
    "/openid4vp/requests/{handle}",
    summary="Request object for a wallet's nonce (OpenID4VP 1.0, 5.10)",
    response_class=Response,
    responses={200: {"content": {REQUEST_OBJECT: {}}}, **problems(400, 404, 413, 415, 422, 429, 503)},
    openapi_extra=_form_of("wallet_nonce", "wallet_metadata"),
)
async def request_object_by_post(request: Request, handle: Handle) -> Response:
    """Return the signed request with the wallet's own nonce in it; unknown parameters are ignored."""
    form = await _form(request)
    token = await presentations_of(request).request_object(
        handle, wallet_nonce=form.get("wallet_nonce"), wallet_metadata=form.get("wallet_metadata")
    )
    return Response(token, media_type=REQUEST_OBJECT, headers=NO_STORE)


@router.post(
    "/openid4vp/responses/{handle}",
    summary="Response URI (OpenID4VP 1.0, 8.2: direct_post, direct_post.jwt)",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}, **problems(400, 404, 413, 415, 422, 429, 503)},
    openapi_extra=_form_of("response", "vp_token", "state", "error", "error_description"),
)
async def receive(request: Request, handle: Handle) -> Response:
    """Take a wallet's answer, once. A presentation that proves to be bad is taken as well: the verdict says so."""
    told = await presentations_of(request).receive(handle, await _form(request))
    return Response(orjson.dumps(told), media_type="application/json", headers=NO_STORE)


async def _form(request: Request) -> dict[str, str]:
    """Return a wallet's form; raises InvalidInput for another media type."""
    one_header(request, "content-type")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise InvalidInput(f"A wallet sends {FORM}.", field="content-type")
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}
