"""A window opens licences by the paper 代办码 of somebody's agent, who stands there with the own document."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.pages.citizen import face_rows, masked_holder
from api.web.rendering import page
from api.web.wrong import Wrong, wrong
from foundation.errors import TrustServiceError
from idp.people.account import DocumentType
from licence_vault.model import Licence, PaperMandate, Purpose

router = APIRouter(include_in_schema=False)

FIELDS = ("code", "agent_name", "document_type", "document_number", "type_code", "matter_code", "case_number", "reason")


@router.get("/desk/mandate")
async def form(request: Request) -> Response:
    """Ask for the paper, the agent's document and what it is for."""
    return await _page(request)


async def _page(
    request: Request,
    found: tuple[Licence, ...] = (),
    errors: Wrong | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    services = services_of(request)
    schemas = {one.code: one.schema for one in await services.catalogue.types()}
    shown = {
        "found": [(one, face_rows(one.face, schemas[one.type_code])) for one in found],
        "masked_holder": masked_holder,
        "types": await services.catalogue.types(),
        "matters": await services.directory.matters(owner_code=principal_of(request).organisation_code),
        "document_types": list(DocumentType),
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "desk_mandate.html", shown)


@router.post("/desk/mandate")
async def open_vault(request: Request) -> Response:
    """Use the mandate once and show what it opens; the giver is told."""
    posted = await checked_form(request)
    values = {name: text_of(posted, name, limit=200) for name in FIELDS}
    paper = PaperMandate(
        values["code"], values["agent_name"], values["document_number"], values["document_type"] or DocumentType.ID_CARD
    )
    purpose = Purpose(values["matter_code"], values["case_number"], values["reason"])
    try:
        found = await services_of(request).vault.mandated.at_window(
            principal_of(request), paper, values["type_code"], purpose
        )
    except TrustServiceError as error:
        return await _page(request, errors=wrong(request, error, frozenset(FIELDS)), values=values)
    return await _page(request, found)
