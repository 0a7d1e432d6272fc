"""Documents a person confirms to a department, one by one."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from api.context import services_of
from api.dependencies import principal_of
from api.schemas.common import Answer, Schema, problems
from api.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["confirmations"])


class ConfirmDocument(Schema):
    """Which document, by its digest."""

    document_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, lower-case hex.")]


class Confirmation(Answer):
    """The person's confirmation, signed by this service."""

    confirmation: Annotated[str, Field(description="Compact JWS, typ hufu-document-confirmation+jwt.")]


@router.post(
    "/api/v1/document-confirmations",
    status_code=201,
    summary="Confirm the one document a person allowed",
    responses=problems(400, 401, 403, 413, 415, 422),
)
async def confirm(request: Request, body: ConfirmDocument) -> Confirmation:
    """Use up a token bound to `document_signature` (RFC 9396): its digest and no other, once."""
    acts = services_of(request).provider.acts
    return Confirmation(confirmation=await acts.confirm_document(principal_of(request), body.document_sha256))
