"""For whom one acts: proving an enterprise, switching to it, appointing and dismissing its agents."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web import sessions
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.pages.mandates import NOT_FOUND
from api.web.pages.security import own_principal
from api.web.rendering import page, say, see_other
from api.web.wrong import Wrong, wrong
from foundation.errors import InvalidInput, NotAuthenticated, TrustServiceError
from foundation.principal import PrincipalKind
from idp.people.legal_person import Agency, Role
from idp.people.parties import NEEDED_LEVEL, Named

router = APIRouter(include_in_schema=False)

NOT_MATCHED = N_("企业名称、统一社会信用代码与您本人不一致。只有法定代表人本人可以在这里认证。")
BAD_CODE = N_("统一社会信用代码不对，请照营业执照检查 18 位。")
BAD_NAME = N_("请照营业执照填写企业全称。")


@router.get("/acting")
async def acting(request: Request) -> Response:
    """Show whom the person may act for, and the agents of the enterprise acted for now."""
    return await _acting(request)


async def _acting(request: Request, errors: Wrong | None = None, values: dict[str, str] | None = None) -> Response:
    own, principal = await own_principal(request), principal_of(request)
    if own.person_id is None or own.acr < NEEDED_LEVEL:
        return see_other("/real-name?next=/acting&acr=L2")
    service = services_of(request).people.legal_persons
    offers, roles = await service.offers(own), await service.acting(own)
    now_for = next((item for item in roles if item.legal_person.legal_person_id == principal.subject_id), None)
    agencies: tuple[Agency, ...] = ()
    if now_for is not None and now_for.role is not Role.AGENT:
        agencies = await service.agencies(principal, principal.subject_id)
    shown = {
        "offers": offers,
        "roles": roles,
        "now_for": now_for,
        "agencies": agencies,
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "acting.html", shown)


@router.post("/acting")
async def switch(request: Request) -> Response:
    """Act for an enterprise, or with an empty choice for oneself again."""
    form = await checked_form(request)
    session = await sessions.current(request)
    if session is None:
        raise NotAuthenticated("Sign in first.")
    changed = await services_of(request).sessions.act_for(session, text_of(form, "legal_person_id") or None)
    response = see_other("/acting")
    sessions.keep(request, response, changed)
    return response


@router.post("/acting/verify")
async def verify(request: Request) -> Response:
    """Prove an enterprise as its legal representative."""
    form = await checked_form(request)
    values = {"credit_code": text_of(form, "credit_code"), "company": text_of(form, "company")}
    try:
        found = await services_of(request).people.legal_persons.verify(
            await own_principal(request), values["credit_code"], values["company"]
        )
    except InvalidInput as error:
        field, text = ("credit_code", BAD_CODE) if error.field == "credit_code" else ("company", BAD_NAME)
        return await _acting(request, Wrong({field: say(request, text)}), values)
    except TrustServiceError as error:
        return await _acting(request, wrong(request, error), values)
    if found is None:
        return await _acting(request, Wrong({"credit_code": say(request, NOT_MATCHED)}), values)
    return see_other("/acting")


@router.post("/acting/agents")
async def appoint(request: Request) -> Response:
    """Appoint an administrator or an agent of the enterprise acted for."""
    form = await checked_form(request)
    principal = principal_of(request)
    values = {name: text_of(form, name) for name in ("username", "name", "role")}
    if principal.kind is not PrincipalKind.ENTERPRISE:
        return see_other("/acting")
    try:
        await services_of(request).people.legal_persons.appoint(
            principal, principal.subject_id, Named(values["username"], values["name"]), values["role"]
        )
    except InvalidInput:
        return await _acting(request, Wrong({"username": say(request, NOT_FOUND)}), values)
    except TrustServiceError as error:
        return await _acting(request, wrong(request, error), values)
    return see_other("/acting")


@router.post("/acting/agencies/{agency_id}")
async def answer(request: Request, agency_id: str) -> Response:
    """Accept an appointment, or end one."""
    form = await checked_form(request)
    service = services_of(request).people.legal_persons
    if text_of(form, "act") == "accept":
        await service.accept(await own_principal(request), agency_id)
    else:
        principal = principal_of(request)
        own = await own_principal(request)
        mine = any(item.agency_id == agency_id for item in (*await service.acting(own), *await service.offers(own)))
        await service.dismiss(own if mine else principal, agency_id)
    return see_other("/acting")
