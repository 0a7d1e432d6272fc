"""A copy of the own licence for one receiver and purpose (加注件)."""

from datetime import date, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.rendering import page
from api.web.wrong import Wrong, wrong
from foundation.clock import civil_date
from foundation.errors import InvalidInput, TrustServiceError
from licence_vault.copies import CopyRequest

router = APIRouter(include_in_schema=False)

FIELDS = ("made_for", "purpose", "valid_until")
USUAL = timedelta(days=30)


@router.get("/licences/{identifier}/copy")
async def form(request: Request, identifier: str) -> Response:
    """Ask for whom, for what and until when."""
    return await _form(request, identifier)


async def _form(
    request: Request, identifier: str, errors: Wrong | None = None, values: dict[str, str] | None = None
) -> Response:
    services = services_of(request)
    until = civil_date(services.clock.now()) + USUAL
    licence = await services.licences.get(principal_of(request), identifier)
    shown = {"licence": licence, "errors": errors or {}, "values": values or {"valid_until": until.isoformat()}}
    return await page(request, "licence_copy.html", shown)


@router.post("/licences/{identifier}/copy")
async def make(request: Request, identifier: str) -> Response:
    """Return the sealed copy."""
    posted = await checked_form(request)
    values = {name: text_of(posted, name, limit=200) for name in FIELDS}
    try:
        wanted = CopyRequest(values["made_for"], values["purpose"], _day(values["valid_until"]))
        document = await services_of(request).vault.copies.make(principal_of(request), identifier, wanted)
    except TrustServiceError as error:
        return await _form(request, identifier, wrong(request, error, frozenset(FIELDS)), values)
    name = f'attachment; filename="{identifier}-copy.pdf"'
    headers = {"content-disposition": name, "cache-control": "no-store"}
    return Response(document.pdf, media_type="application/pdf", headers=headers)


def _day(unverified: str) -> date:
    try:
        return date.fromisoformat(unverified)
    except ValueError:
        raise InvalidInput("Choose a day.", field="valid_until") from None
