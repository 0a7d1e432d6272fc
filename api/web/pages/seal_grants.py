"""Who may use one seal (用印授权): given for matters and a period, approved by somebody else, withdrawn at once.

Operators at `/operate/seals/{seal_id}/grants`, the organisation's officers at `/desk/…`, where seal keepers act.
"""

from collections.abc import Iterable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.pages.desk_records import name_of
from api.web.pages.officers import first_moment, last_moment
from api.web.pages.seal_keeping import base_of, names_of
from api.web.rendering import page, see_other
from api.web.wrong import Wrong, wrong
from foundation.errors import NotFound, NotPermitted, TrustServiceError
from foundation.principal import PrincipalKind
from idp.people.officer import Officer
from signing.errors import FourEyesRequired, SealStateConflict
from signing.model import Grant, Seal
from signing.seal_rules import LIVE_STATES, require_reader

router = APIRouter(include_in_schema=False)

GIVE_FIELDS = ("officer_id", "valid_from", "valid_to")
FIELDS = frozenset({"officer_id", "matter_codes", "valid_from", "valid_to"})


@router.get("/desk/seals/{seal_id}/grants")
@router.get("/operate/seals/{seal_id}/grants")
async def grants(request: Request, seal_id: str) -> Response:
    """Show who may use the seal, and what waits for a second pair of eyes."""
    return await _grants(request, await services_of(request).seals.get(seal_id))


async def _grants(
    request: Request, seal: Seal, errors: Wrong | None = None, values: dict[str, str] | None = None
) -> Response:
    services, principal = services_of(request), principal_of(request)
    require_reader(principal, seal)
    found = await services.seal_grants.of_seal(principal, seal.seal_id)
    keeps = await services.seal_grants.keeps(principal, seal.organisation_code)
    matters = await services.directory.matters(owner_code=seal.organisation_code)
    shown = {
        "base": base_of(principal),
        "operates": principal.kind is PrincipalKind.OPERATOR,
        "seal": seal,
        "keeps": keeps,
        "open_to_grants": keeps and seal.state in LIVE_STATES,
        "carriable": await services.seal_grants.carriable(principal, seal.seal_id) if keeps else (),
        "officers": await _officers(request, seal) if keeps else (),
        "matters": matters,
        "matter_names": {matter.matter_code: matter.name for matter in matters},
        "standing": [grant for grant in found if grant.approved_at is not None],
        "waiting": [(grant, keeps and _may_approve(request, grant)) for grant in found if grant.approved_at is None],
        "officer_names": await _officer_names(request, found),
        "names": await names_of(request, (grant.granted_by for grant in found)),
        "errors": errors or {},
        "values": values or dict.fromkeys(GIVE_FIELDS, ""),
    }
    return await page(request, "seal_grants.html", shown, status=errors.status if errors else 200)


async def _officers(request: Request, seal: Seal) -> tuple[Officer, ...]:
    """Return whom the use may be given to: the seal's organisation's officers, without the caller."""
    principal = principal_of(request)
    found = await services_of(request).officers.of_organisation(principal, seal.organisation_code)
    return tuple(officer for officer in found if not principal.is_one(officer.officer_id))


async def _officer_names(request: Request, found: Iterable[Grant]) -> dict[str, str]:
    return {
        one: await name_of(request, f"{PrincipalKind.OFFICER}:{one}") for one in {each.officer_id for each in found}
    }


def _may_approve(request: Request, grant: Grant) -> bool:
    principal = principal_of(request)
    return grant.granted_by not in principal.audit_names and not principal.is_one(grant.officer_id)


@router.post("/desk/seals/{seal_id}/grants")
@router.post("/operate/seals/{seal_id}/grants")
async def give(request: Request, seal_id: str) -> Response:
    """Give an officer the use of the seal; somebody else approves."""
    form, services, principal = await checked_form(request), services_of(request), principal_of(request)
    seal = await services.seals.get(seal_id)
    values = {name: text_of(form, name) for name in GIVE_FIELDS}
    chosen = form.getlist("matter")
    try:
        await services.seal_grants.grant(
            principal,
            seal_id,
            values["officer_id"],
            matter_codes=[code for code in chosen if isinstance(code, str)],
            valid_from=first_moment(values["valid_from"]) if values["valid_from"] else services.clock.now(),
            valid_to=last_moment(values["valid_to"], "valid_to"),
        )
    except (NotFound, NotPermitted) as error:
        if not isinstance(error, FourEyesRequired):
            raise
        return await _grants(request, seal, wrong(request, error), values)
    except TrustServiceError as error:
        return await _grants(request, seal, wrong(request, error, FIELDS), values)
    return see_other(f"{base_of(principal)}/{seal_id}/grants")


@router.post("/desk/seals/{seal_id}/grants/carried")
@router.post("/operate/seals/{seal_id}/grants/carried")
async def carry_over(request: Request, seal_id: str) -> Response:
    """Give a successor's use to who had its predecessor's; somebody else approves each."""
    await checked_form(request)
    services, principal = services_of(request), principal_of(request)
    try:
        await services.seal_grants.carry_over(principal, seal_id)
    except SealStateConflict as error:
        return await _grants(request, await services.seals.get(seal_id), wrong(request, error))
    return see_other(f"{base_of(principal)}/{seal_id}/grants")


@router.post("/desk/seals/{seal_id}/grants/{grant_id}")
@router.post("/operate/seals/{seal_id}/grants/{grant_id}")
async def settle(request: Request, seal_id: str, grant_id: str) -> Response:
    """Approve what somebody else gave, or withdraw it."""
    form, services, principal = await checked_form(request), services_of(request), principal_of(request)
    acts = {"approve": services.seal_grants.approve, "withdraw": services.seal_grants.withdraw}
    act = acts.get(text_of(form, "act"))
    if act is None:
        raise NotFound("There is no such step.")
    try:
        await act(principal, grant_id)
    except (NotFound, NotPermitted) as error:
        if not isinstance(error, FourEyesRequired):
            raise
        return await _grants(request, await services.seals.get(seal_id), wrong(request, error))
    except TrustServiceError as error:
        return await _grants(request, await services.seals.get(seal_id), wrong(request, error))
    return see_other(f"{base_of(principal)}/{seal_id}/grants")
