"""What operators settle about people: contradictions, and the registered workstations of counters."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.rendering import page, say, see_other
from api.web.wrong import Wrong, wrong
from foundation.errors import InvalidInput, TrustServiceError

router = APIRouter(include_in_schema=False)

NOTE_NEEDED = N_("请写明依据，例如看过的户口簿变更页。")
NAME_NEEDED = N_("请填写窗口名称，并选择登记过的单位和区域。")


@router.get("/operate/people")
async def people(request: Request) -> Response:
    """Show what waits for a decision, and the counters' machines."""
    return await _people(request)


async def _people(request: Request, errors: Wrong | None = None) -> Response:
    services, principal = services_of(request), principal_of(request)
    organisations = await services.directory.organisations()
    shown = {
        "conflicts": await services.people.conflicts.waiting(principal),
        "workstations": await services.people.workstations.all(principal),
        "organisations": organisations,
        "names": {one.credit_code: one.name for one in organisations},
        "districts": await services.directory.districts(),
        "errors": errors or {},
    }
    return await page(request, "operate_people.html", shown)


@router.post("/operate/people/conflicts/{conflict_id}")
async def settle(request: Request, conflict_id: str) -> Response:
    """Settle a contradiction: the person changed the name, or the proof stays out."""
    form = await checked_form(request)
    decision, note = text_of(form, "decision"), text_of(form, "note", limit=500)
    try:
        await services_of(request).people.conflicts.resolve(principal_of(request), conflict_id, decision, note)
    except InvalidInput:
        return await _people(request, Wrong({"_form": say(request, NOTE_NEEDED)}))
    except TrustServiceError as error:
        return await _people(request, wrong(request, error))
    return see_other("/operate/people")


@router.post("/operate/people/workstations")
async def register(request: Request) -> Response:
    """Register a counter's machine."""
    form = await checked_form(request)
    try:
        await services_of(request).people.workstations.register(
            principal_of(request),
            organisation_code=text_of(form, "organisation"),
            district_code=text_of(form, "district"),
            name=text_of(form, "name"),
        )
    except TrustServiceError:
        return await _people(request, Wrong({"_form": say(request, NAME_NEEDED)}))
    return see_other("/operate/people")


@router.post("/operate/people/workstations/{workstation_id}")
async def retire(request: Request, workstation_id: str) -> Response:
    """Take a machine out of use: nobody is verified there from now on."""
    await checked_form(request)
    await services_of(request).people.workstations.retire(principal_of(request), workstation_id)
    return see_other("/operate/people")
