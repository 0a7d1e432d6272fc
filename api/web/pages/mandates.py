"""Mandates: giving one, asking for one, signing off, revoking, and what was done in one's name."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.rendering import page, say, see_other
from api.web.wrong import Wrong, wrong
from foundation.errors import InvalidInput, NotFound, TooManyRequests, TrustServiceError
from foundation.principal import Principal, PrincipalKind
from idp.people.mandate import ANY, Mandate, Terms
from idp.people.parties import NEEDED_LEVEL, Named

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

router = APIRouter(include_in_schema=False)

PERIODS = (1, 7, 30, 90, 365)
NOT_FOUND = N_("没有找到这个人。请核对用户名和姓名，对方也要完成实名认证。")
WRONG_CODE = N_("代办码不对、已经用过，或者不是给您的。")
WRONG_USES = N_("次数是 1 到 10000 的整数；不限次数就不填。")
TOO_WIDE = N_("转托的内容不能超过原来的授权。原授权限了次数，这里也要填次数，而且不能更多。")
FIELDS = ("username", "name", "matter", "type", "days", "uses", "may_delegate")
NOT_CHOSEN = N_("请从列表中选择一项。")
RULES = {
    "uses_allowed": ("uses", WRONG_USES),
    "terms": ("uses", TOO_WIDE),
    "matter": ("matter", NOT_CHOSEN),
    "type": ("type", NOT_CHOSEN),
    "days": ("days", NOT_CHOSEN),
}


def _unproven(principal: Principal) -> bool:
    return principal.kind is PrincipalKind.PERSON and (principal.person_id is None or principal.acr < NEEDED_LEVEL)


@router.get("/mandates")
async def mandates(request: Request) -> Response:
    """Show what was given, what is held, and what was done in the principal's name."""
    return await _mandates(request)


async def _mandates(request: Request, errors: Wrong | None = None) -> Response:
    principal = principal_of(request)
    if _unproven(principal):
        return see_other("/real-name?next=/mandates&acr=L2")
    services = services_of(request)
    given = await services.people.mandates.given(principal)
    held: tuple[Mandate, ...] = ()
    if principal.kind is PrincipalKind.PERSON:
        held = await services.people.mandates.held(principal)
    shown = {
        "given": given,
        "held": held,
        "uses": (await services.people.mandates.uses(principal))[:50],
        "matters": {matter.matter_code: matter.name for matter in await services.directory.matters()},
        "types": await type_names(request),
        "person_id": principal.person_id,
        "enterprise": principal.kind is PrincipalKind.ENTERPRISE,
        "errors": errors or {},
    }
    return await page(request, "mandates.html", shown)


async def type_names(request: Request) -> dict[str, str]:
    """Return the names of licence types by code."""
    return {item.code: item.name for item in await services_of(request).catalogue.types()}


@router.get("/mandates/new")
async def new(request: Request) -> Response:
    """Show the form; `ask=1` asks somebody for a mandate instead of giving one."""
    if _unproven(principal_of(request)):
        return see_other("/real-name?next=/mandates&acr=L2")
    return await _form(request, asking=request.query_params.get("ask") == "1")


async def _form(
    request: Request,
    *,
    asking: bool,
    parent: Mandate | None = None,
    errors: Wrong | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    matters = {matter.matter_code: matter.name for matter in await services_of(request).directory.matters()}
    shown = {
        "asking": asking,
        "parent": parent,
        "action": f"/mandates/{parent.mandate_id}/delegate" if parent else "/mandates/new",
        "periods": PERIODS,
        "matters": within(matters, parent.terms.matters if parent else (ANY,)),
        "types": within(await type_names(request), parent.terms.licence_types if parent else (ANY,)),
        "any": ANY,
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "mandate_new.html", shown)


def within(names: dict[str, str], allowed: tuple[str, ...], *, everything: bool = True) -> dict[str, str]:
    """Return what may be chosen, by code; `*` is everything, where everything is allowed and may be named at once."""
    if ANY in allowed:
        return {ANY: "", **names} if everything else names
    return {code: names.get(code, code) for code in allowed}


@router.post("/mandates/new")
async def propose(request: Request) -> Response:
    """Offer or ask; the other side signs it off."""
    form = await checked_form(request)
    asking = text_of(form, "asking") == "1"
    values = {name: text_of(form, name) for name in FIELDS}
    named, service = Named(values["username"], values["name"]), services_of(request).people.mandates
    try:
        terms = await _terms(request, form)
        if asking:
            await service.request(principal_of(request), named, terms)
        else:
            await service.propose(principal_of(request), named, terms)
    except TrustServiceError as error:
        return await _form(request, asking=asking, errors=_said(request, error), values=values)
    return see_other("/mandates")


def _said(request: Request, error: TrustServiceError) -> Wrong:
    """Return what is wrong with a mandate asked for; who the other is, is never told more closely."""
    if isinstance(error, InvalidInput):
        field, text = RULES.get(error.field or "", ("username", NOT_FOUND))
        return Wrong({field: say(request, text)})
    return wrong(request, error)


@router.get("/mandates/{mandate_id}/delegate")
async def delegate_page(request: Request, mandate_id: str) -> Response:
    """Ask to whom a mandate that allows it is passed on, within its own terms."""
    return await _form(request, asking=False, parent=await _held(request, mandate_id))


async def _held(request: Request, mandate_id: str) -> Mandate:
    held = await services_of(request).people.mandates.held(principal_of(request))
    found = next((one for one in held if one.mandate_id == mandate_id and one.terms.may_delegate), None)
    if found is None:
        raise NotFound("There is no such mandate to pass on.")
    return found


@router.post("/mandates/{mandate_id}/delegate")
async def delegate(request: Request, mandate_id: str) -> Response:
    """Pass a mandate on; the other one signs it off."""
    form = await checked_form(request)
    values = {name: text_of(form, name) for name in FIELDS}
    parent = await _held(request, mandate_id)
    try:
        terms = await _terms(request, form)
        terms = replace(terms, valid_until=min(terms.valid_until, parent.terms.valid_until), fields=parent.terms.fields)
        named = Named(values["username"], values["name"])
        await services_of(request).people.mandates.delegate(principal_of(request), mandate_id, named, terms)
    except TrustServiceError as error:
        return await _form(request, asking=False, parent=parent, errors=_said(request, error), values=values)
    return see_other("/mandates")


async def _terms(request: Request, form: FormData) -> Terms:
    services = services_of(request)
    now = services.clock.now()
    uses, days = text_of(form, "uses"), text_of(form, "days")
    if uses and not (uses.isascii() and uses.isdigit()):
        raise InvalidInput("The number of uses is a number.", field="uses_allowed")
    if days not in {str(period) for period in PERIODS}:
        raise InvalidInput("The period is one of those on the form.", field="days")
    return Terms(
        matters=(_chosen(form, "matter", {matter.matter_code for matter in await services.directory.matters()}),),
        licence_types=(_chosen(form, "type", await type_names(request)),),
        fields=(ANY,),
        valid_from=now,
        valid_until=now + timedelta(days=int(days)),
        uses_allowed=int(uses[:8]) if uses else None,
        may_delegate=text_of(form, "may_delegate") == "yes",
    )


def _chosen(form: FormData, field: str, known: Collection[str]) -> str:
    """Return what was chosen from a list; nothing chosen is not everything. Raises InvalidInput."""
    value = text_of(form, field)
    if value != ANY and value not in known:
        raise InvalidInput("Must be one of those on the form.", field=field)
    return value


@router.post("/mandates/code")
async def redeem(request: Request) -> Response:
    """Sign a mandate off by the paper code from a counter."""
    form = await checked_form(request)
    try:
        await services_of(request).people.assisted.redeem(principal_of(request), text_of(form, "code", limit=40))
    except TooManyRequests as error:
        return await _mandates(request, wrong(request, error))
    except TrustServiceError:
        return await _mandates(request, Wrong({"code": say(request, WRONG_CODE)}))
    return see_other("/mandates")


@router.post("/mandates/{mandate_id}")
async def answer(request: Request, mandate_id: str) -> Response:
    """Accept, decline or revoke."""
    form = await checked_form(request)
    service, principal = services_of(request).people.mandates, principal_of(request)
    acts: dict[str, Callable[[Principal, str], Awaitable[object]]] = {
        "accept": service.accept,
        "decline": service.decline,
        "revoke": service.revoke,
    }
    act = acts.get(text_of(form, "act"))
    if act is None:
        raise InvalidInput("The act is accept, decline or revoke.", field="act")
    await act(principal, mandate_id)
    return see_other("/mandates")
