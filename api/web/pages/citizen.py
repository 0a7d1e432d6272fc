"""The citizen's pages: start, real name, licences, who looked, account."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.notices import ShownNotice
from api.web.notices import shown as shown_notices
from api.web.pages.security import own_principal
from api.web.rendering import page, see_other
from api.web.tasks import tasks_of
from foundation.principal import Principal, PrincipalKind
from idp.people.account import masked_mobile, masked_name, masked_number
from idp.people.proof import NO_LEVEL
from licence_vault import qr
from licence_vault.model import Holder, Licence

router = APIRouter(include_in_schema=False)

MAX_FACE_VALUE_CHARS = 2000
CREDIT_CODE = "001"
MOST_NOTICES = 4


@router.get("/home")
async def home(request: Request) -> Response:
    """Say what needs the person, then the licences and who looked."""
    services, principal = services_of(request), principal_of(request)
    proven = principal.kind is PrincipalKind.ENTERPRISE or principal.person_id is not None
    found = await services.people.own_data.inbox(principal, limit=20)
    shown = {
        **await _who(request, principal),
        "licences": await services.licences.of_holder(principal) if proven else (),
        "accesses": await services.licences.accesses(principal, limit=5) if proven else (),
        "tasks": await tasks_of(request),
        "notices": _latest(shown_notices(found)),
    }
    return await page(request, "home.html", shown)


def _latest(found: list[ShownNotice]) -> list[ShownNotice]:
    """Return the newest unread notice of each kind, a few of them."""
    unread = {notice.words.text: notice for notice in reversed(found) if notice.unread}
    return sorted(unread.values(), key=lambda notice: notice.at, reverse=True)[:MOST_NOTICES]


async def _who(request: Request, principal: Principal) -> dict[str, Any]:
    """Return the name and level the page greets with."""
    services = services_of(request)
    if principal.kind is PrincipalKind.ENTERPRISE:
        acting = await services.people.legal_persons.acting(await own_principal(request))
        names = (one.legal_person.name for one in acting if one.legal_person.legal_person_id == principal.subject_id)
        return {"name": next(names, principal.organisation_code), "level": principal.acr, "enterprise": True}
    person = await services.accounts.person(_account_id(principal))
    name = masked_name(person.name) if person else None
    return {"name": name, "level": person.level if person else NO_LEVEL, "enterprise": False}


@router.get("/licences")
async def licences(request: Request) -> Response:
    """List what is registered in the person's name."""
    principal = principal_of(request)
    if principal.person_id is None and principal.kind is PrincipalKind.PERSON:
        return see_other("/home")
    return await page(request, "licences.html", {"licences": await services_of(request).licences.of_holder(principal)})


@router.get("/licences/{identifier}")
async def licence(request: Request, identifier: str) -> Response:
    """Show one licence; names and numbers stay masked until asked for."""
    services, principal = services_of(request), principal_of(request)
    found = await services.licences.get(principal, identifier)
    shown_in_full = request.query_params.get("show") == "full"
    licence_type = await services.catalogue.get(found.type_code, found.type_version)
    shown = {
        "licence": _Shown(found, full=shown_in_full),
        "shown": shown_in_full,
        "face": face_rows(found.face, licence_type.schema) if shown_in_full else (),
        "history": await services.licences.history(principal, identifier),
    }
    return await page(request, "licence.html", shown)


@router.get("/licences/{identifier}/pdf")
async def licence_pdf(request: Request, identifier: str) -> Response:
    """Return the sealed file."""
    document = await services_of(request).licences.face_pdf(principal_of(request), identifier)
    name = f'attachment; filename="{identifier}.pdf"'
    return Response(
        document.pdf,
        media_type="application/pdf",
        headers={"content-disposition": name, "cache-control": "no-store"},
    )


@router.get("/licences/{identifier}/qr.png")
async def licence_code(request: Request, identifier: str) -> Response:
    """Return the code as a picture."""
    found = await services_of(request).licences.get(principal_of(request), identifier)
    return Response(qr.picture_png(found.qr_text), media_type="image/png", headers={"cache-control": "no-store"})


@router.get("/accesses")
async def accesses(request: Request) -> Response:
    """Show every reading of the person's licences."""
    principal = principal_of(request)
    if principal.person_id is None:
        return see_other("/home")
    return await page(request, "accesses.html", {"accesses": await services_of(request).licences.accesses(principal)})


@router.get("/me")
async def me(request: Request) -> Response:
    """Show who the person is to us and how that was proven."""
    services, principal = services_of(request), principal_of(request)
    account = await services.accounts.get(_account_id(principal))
    person = await services.accounts.person(account.account_id)
    full = request.query_params.get("show") == "full"
    shown: dict[str, Any] = {
        "account": account,
        "person": person,
        "shown": full,
        "level": person.level if person else NO_LEVEL,
        "mobile": (account.mobile if full else masked_mobile(account.mobile)) if account.mobile else None,
        "name": None,
        "number": None,
        "evidence": await services.real_name.evidence(principal),
        "policy": services.people.policy,
    }
    if person:
        shown["name"] = person.name if full else masked_name(person.name)
        shown["number"] = person.document_number if full else masked_number(person.document_number)
    return await page(request, "me.html", shown)


def _account_id(principal: Principal) -> str:
    return principal.actor_id or principal.subject_id


class _Shown:
    """A licence for the page: holders masked unless asked for."""

    def __init__(self, licence: Licence, *, full: bool) -> None:
        self._licence = licence
        self.holders = licence.holders if full else tuple(masked_holder(holder) for holder in licence.holders)

    def __getattr__(self, name: str) -> object:
        return getattr(self._licence, name)


def masked_holder(holder: Holder) -> Holder:
    """Return a holder with a person's name and number masked; an organisation's are public."""
    if holder.code_type == CREDIT_CODE:
        return holder
    return Holder(masked_name(holder.name), holder.code_type, masked_number(holder.code))


def face_rows(face: Any, schema: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - JSON values
    """Return the face data as label and text, in the schema's order."""
    properties = schema.get("properties", {})
    names = [name for name in properties if name in face] + [name for name in face if name not in properties]
    return [(properties.get(name, {}).get("title", name), _text(face[name])) for name in names]


def _text(value: object) -> str:
    if isinstance(value, list):
        return "；".join(_text(item) for item in value)[:MAX_FACE_VALUE_CHARS]
    if isinstance(value, dict):
        return "，".join(_text(item) for item in value.values())[:MAX_FACE_VALUE_CHARS]
    return "" if value is None else str(value)[:MAX_FACE_VALUE_CHARS]
