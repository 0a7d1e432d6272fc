"""The counter: two officers verify a person, and set up a mandate for somebody without a phone."""

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.messages import told
from api.web.rendering import page, say, see_other
from foundation.errors import InvalidInput, TrustServiceError
from idp.people.account import DocumentType
from idp.people.assisted import AgentDocument
from idp.people.counter import Presence, Visit
from idp.people.mandate import ANY, Terms

router = APIRouter(include_in_schema=False)

FIELDS = ("workstation", "name", "document_type", "document_number", "seen", "presence", "presence_reference")
RULES = {
    "name": N_("请填写证件上的姓名，不加空格或符号。"),
    "document_number": N_("证件号码与证件种类不符，请对照原件检查。"),
    "seen": N_("请写明看过哪些材料，一行一件，最多十件。"),
    "presence_reference": N_("到场码不对或已过期；读卡号、签名编号须为 8 位以上的字母和数字。"),
}
PERIOD = timedelta(days=90)
USES = 5


@router.get("/presence")
async def presence(request: Request) -> Response:
    """Offer the applicant a code to read out at the counter."""
    return await page(request, "presence.html", {"code": None})


@router.post("/presence")
async def presence_code(request: Request) -> Response:
    """Show a fresh code: once, five minutes."""
    await checked_form(request)
    code = await services_of(request).people.counter.presence_code(principal_of(request))
    return await page(request, "presence.html", {"code": code})


@router.get("/desk/counter")
async def counter(request: Request) -> Response:
    """Show the form of an examination and what waits for a second officer."""
    return await _counter(request)


async def _counter(
    request: Request, errors: dict[str, str] | None = None, values: dict[str, str] | None = None
) -> Response:
    service, principal = services_of(request).people.counter, principal_of(request)
    shown = {
        "workstations": await services_of(request).people.workstations.of_organisation(principal),
        "waiting": await service.awaiting(principal),
        "drafts": await services_of(request).people.assisted.drafts(principal),
        "document_types": list(DocumentType),
        "presences": list(Presence),
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "counter.html", shown, status=422 if errors else 200)


@router.post("/desk/counter")
async def examine(request: Request) -> Response:
    """Record what was seen; a second officer confirms."""
    form = await checked_form(request)
    values = {name: text_of(form, name, limit=700) for name in FIELDS}
    visit = Visit(
        name=values["name"],
        document_number=values["document_number"],
        evidence_seen=tuple(line.strip() for line in values["seen"].splitlines() if line.strip()),
        presence=values["presence"],
        presence_reference=values["presence_reference"],
        document_type=values["document_type"],
    )
    try:
        await services_of(request).people.counter.examine(principal_of(request), values["workstation"], visit)
    except InvalidInput as error:
        field = {"evidence_seen": "seen"}.get(error.field or "", error.field or "name")
        field = field if field in RULES else "name"
        return await _counter(request, {field: say(request, RULES[field])}, values)
    except TrustServiceError as error:
        return await _counter(request, {"_form": say(request, told(error).text)}, values)
    return see_other("/desk/counter")


@router.post("/desk/counter/{check_id}")
async def decide(request: Request, check_id: str) -> Response:
    """Confirm or refuse a colleague's examination; after a confirmation a mandate may be set up."""
    form = await checked_form(request)
    confirm = text_of(form, "act") == "confirm"
    try:
        decided = await services_of(request).people.counter.decide(principal_of(request), check_id, confirm=confirm)
    except TrustServiceError as error:
        return await _counter(request, {"_form": say(request, told(error).text)})
    return await page(request, "counter_done.html", {"check": decided, "confirmed": confirm})


@router.post("/desk/counter/{check_id}/mandate")
async def draft(request: Request, check_id: str) -> Response:
    """Write down whom the person trusts; another officer confirms and prints the code."""
    form = await checked_form(request)
    services, now = services_of(request), services_of(request).clock.now()
    agent = AgentDocument(text_of(form, "agent_name"), text_of(form, "agent_number"))
    terms = Terms((ANY,), (ANY,), (ANY,), now, now + PERIOD, USES)
    try:
        mandate = await services.people.assisted.draft(principal_of(request), check_id, agent, terms)
    except TrustServiceError as error:
        return await _counter(request, {"_form": say(request, told(error).text)})
    return await page(request, "counter_mandate.html", {"mandate_id": mandate.mandate_id, "printed": None})


@router.post("/desk/mandates/{mandate_id}")
async def confirm_mandate(request: Request, mandate_id: str) -> Response:
    """Confirm a colleague's draft and show the paper code, this once."""
    await checked_form(request)
    try:
        printed = await services_of(request).people.assisted.confirm(principal_of(request), mandate_id)
    except TrustServiceError as error:
        return await _counter(request, {"_form": say(request, told(error).text)})
    return await page(request, "counter_mandate.html", {"mandate_id": mandate_id, "printed": printed})
