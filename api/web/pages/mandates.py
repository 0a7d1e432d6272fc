"""Mandates: giving one, asking for one, signing off, revoking, and what was done in one's name."""

from datetime import timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.messages import told
from api.web.rendering import page, say, see_other
from foundation.errors import InvalidInput, TrustServiceError
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


def _unproven(principal: Principal) -> bool:
    return principal.kind is PrincipalKind.PERSON and (principal.person_id is None or principal.acr < NEEDED_LEVEL)


@router.get("/mandates")
async def mandates(request: Request) -> Response:
    """Show what was given, what is held, and what was done in the principal's name."""
    return await _mandates(request)


async def _mandates(request: Request, errors: dict[str, str] | None = None) -> Response:
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
        "types": await _types(request),
        "person_id": principal.person_id,
        "enterprise": principal.kind is PrincipalKind.ENTERPRISE,
        "errors": errors or {},
    }
    return await page(request, "mandates.html", shown, status=422 if errors else 200)


async def _types(request: Request) -> dict[str, str]:
    return {item.code: item.name for item in await services_of(request).catalogue.types()}


@router.get("/mandates/new")
async def new(request: Request) -> Response:
    """Show the form; `ask=1` asks somebody for a mandate instead of giving one."""
    if _unproven(principal_of(request)):
        return see_other("/real-name?next=/mandates&acr=L2")
    return await _form(request, asking=request.query_params.get("ask") == "1")


async def _form(
    request: Request, *, asking: bool, errors: dict[str, str] | None = None, values: dict[str, str] | None = None
) -> Response:
    shown = {
        "asking": asking,
        "periods": PERIODS,
        "matters": await services_of(request).directory.matters(),
        "types": await _types(request),
        "any": ANY,
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "mandate_new.html", shown, status=422 if errors else 200)


@router.post("/mandates/new")
async def propose(request: Request) -> Response:
    """Offer or ask; the other side signs it off."""
    form = await checked_form(request)
    asking = text_of(form, "asking") == "1"
    values = {name: text_of(form, name) for name in ("username", "name", "matter", "type", "days", "uses")}
    named, service = Named(values["username"], values["name"]), services_of(request).people.mandates
    try:
        terms = _terms(request, form)
        if asking:
            await service.request(principal_of(request), named, terms)
        else:
            await service.propose(principal_of(request), named, terms)
    except InvalidInput as error:
        text = {"uses_allowed": WRONG_USES}.get(error.field or "", NOT_FOUND)
        field = "uses" if error.field == "uses_allowed" else "username"
        return await _form(request, asking=asking, errors={field: say(request, text)}, values=values)
    except TrustServiceError as error:
        said = {"username": say(request, told(error).text)}
        return await _form(request, asking=asking, errors=said, values=values)
    return see_other("/mandates")


def _terms(request: Request, form: FormData) -> Terms:
    now = services_of(request).clock.now()
    uses, days = text_of(form, "uses"), text_of(form, "days")
    if uses and not (uses.isascii() and uses.isdigit()):
        raise InvalidInput("The number of uses is a number.", field="uses_allowed")
    period = int(days) if days in {str(period) for period in PERIODS} else PERIODS[0]
    return Terms(
        matters=(text_of(form, "matter") or ANY,),
        licence_types=(text_of(form, "type") or ANY,),
        fields=(ANY,),
        valid_from=now,
        valid_until=now + timedelta(days=period),
        uses_allowed=int(uses[:8]) if uses else None,
    )


@router.post("/mandates/code")
async def redeem(request: Request) -> Response:
    """Sign a mandate off by the paper code from a counter."""
    form = await checked_form(request)
    try:
        await services_of(request).people.assisted.redeem(principal_of(request), text_of(form, "code", limit=40))
    except TrustServiceError:
        return await _mandates(request, {"code": say(request, WRONG_CODE)})
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
