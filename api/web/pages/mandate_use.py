"""The agent at work: looking at the other's licences for one matter, and showing one at a window.

Each look is one use of the mandate, so a form is good for one look: a page loaded again or a
button pressed twice does not count twice.
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.pages.citizen import face_rows
from api.web.pages.mandates import type_names, within
from api.web.pages.shows import code_page
from api.web.rendering import page, see_other
from api.web.wrong import Wrong, wrong
from foundation.errors import NotFound, TrustServiceError
from foundation.ids import new_secret
from idp.people.mandate import Mandate, MandateState
from licence_vault.model import Licence, Purpose

router = APIRouter(include_in_schema=False)

FIELDS = frozenset({"type", "matter_code", "case_number", "reason"})
FORM_SECONDS = 3600


async def _held(request: Request, mandate_id: str) -> Mandate:
    held = await services_of(request).people.mandates.held(principal_of(request))
    found = next((one for one in held if one.mandate_id == mandate_id and one.state is MandateState.ACTIVE), None)
    if found is None:
        raise NotFound("There is no such mandate in force.")
    return found


@router.get("/mandates/{mandate_id}/use")
async def use_page(request: Request, mandate_id: str) -> Response:
    """Ask for which matter, and which kind of licence."""
    return await _form(request, await _held(request, mandate_id))


async def _form(
    request: Request, mandate: Mandate, errors: Wrong | None = None, values: dict[str, str] | None = None
) -> Response:
    matters = {matter.matter_code: matter.name for matter in await services_of(request).directory.matters()}
    shown = {
        "mandate": mandate,
        "matters": within(matters, mandate.terms.matters, everything=False),
        "types": within(await type_names(request), mandate.terms.licence_types, everything=False),
        "once": new_secret(),
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "mandate_use.html", shown)


@router.post("/mandates/{mandate_id}/use")
async def use(request: Request, mandate_id: str) -> Response:
    """Show the other's licences of the kind asked for: one use, told to the other at once."""
    form = await checked_form(request)
    services, principal = services_of(request), principal_of(request)
    mandate, values = await _held(request, mandate_id), {name: text_of(form, name) for name in FIELDS}
    once = f"mandate-use:{principal.subject_id}:{text_of(form, 'once', limit=80)}"
    if not await services.cache.put_new(once, b"1", ttl_seconds=FORM_SECONDS):
        return see_other(f"/mandates/{mandate_id}/use")
    purpose = Purpose(values["matter_code"] or None, values["case_number"], values["reason"])
    try:
        found = await services.vault.mandated.licences(principal, mandate_id, values["type"], purpose)
    except TrustServiceError as error:
        return await _form(request, mandate, wrong(request, error, FIELDS), values)
    rows = [(licence, await _face(request, licence)) for licence in found]
    return await page(request, "mandate_used.html", {"mandate": mandate, "licences": rows})


async def _face(request: Request, licence: Licence) -> list[tuple[str, str]]:
    licence_type = await services_of(request).catalogue.get(licence.type_code, licence.type_version)
    return face_rows(licence.face, licence_type.schema)


@router.post("/mandates/{mandate_id}/show")
async def show(request: Request, mandate_id: str) -> Response:
    """Make a code for one of the other's licences; the use counts when a window scans it."""
    form = await checked_form(request)
    offered = await services_of(request).vault.shows.offer(
        principal_of(request), [text_of(form, "identifier")], mandate_id=mandate_id
    )
    return code_page(request, offered)
