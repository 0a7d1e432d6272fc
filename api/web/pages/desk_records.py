"""What the desk sealed and the organisation issued."""

from datetime import datetime
from pathlib import PurePath
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.i18n import N_
from api.web.organisations import organisation_name
from api.web.pages.citizen import masked_holder
from api.web.pages.desk import draft_of
from api.web.rendering import page, say, see_other
from foundation.errors import NotFound
from foundation.principal import PrincipalKind

router = APIRouter(include_in_schema=False)

ISSUED = N_("已签发并盖章，现在就能核验。")


@router.get("/desk/done/{draft_id}")
async def done(request: Request, draft_id: str) -> Response:
    """Say what was sealed and offer the file."""
    draft = await draft_of(request, draft_id)
    if not draft.sealed:
        return see_other(f"/desk/confirm/{draft_id}")
    facts = {**draft.sealed, "sealed_at": datetime.fromisoformat(draft.sealed["sealed_at"])}
    sealed = {**facts, "file_name": draft.file_name, "seal_name": draft.seal_name}
    return await page(request, "desk_done.html", {"sealed": sealed, "draft_id": draft_id})


@router.get("/desk/done/{draft_id}/file")
async def sealed_file(request: Request, draft_id: str) -> Response:
    """Return the sealed document under the name it came with."""
    draft = await draft_of(request, draft_id)
    if not draft.sealed:
        return see_other(f"/desk/confirm/{draft_id}")
    data = await services_of(request).sealing.document(principal_of(request), draft.sealed["document_id"])
    return Response(data, media_type="application/pdf", headers=attachment(sealed_name(draft.file_name)))


def sealed_name(file_name: str) -> str:
    """Return `审批件-已盖章.pdf` for `审批件.pdf`."""
    return f"{PurePath(file_name).stem}-已盖章.pdf"


def attachment(name: str) -> dict[str, str]:
    """Return the headers of a download (RFC 6266, RFC 8187)."""
    disposition = f"attachment; filename=\"sealed.pdf\"; filename*=UTF-8''{quote(name, safe='')}"
    return {"content-disposition": disposition, "cache-control": "no-store"}


@router.get("/desk/uses")
async def uses(request: Request) -> Response:
    """Show the registers of use of the officer's seals."""
    services, principal = services_of(request), principal_of(request)
    seals = await services.seals.usable_by(principal)
    registers = [(seal, await services.seals.uses(principal, seal.seal_id)) for seal in seals]
    names = {use.used_by: await name_of(request, use.used_by) for _, found in registers for use in found}
    return await page(request, "desk_uses.html", {"registers": registers, "names": names})


async def name_of(request: Request, audit_name: str) -> str:
    """Return the name behind `officer:…` or `client:…`; the bare id when it is gone."""
    kind, _, identifier = audit_name.partition(":")
    services = services_of(request)
    try:
        if kind == PrincipalKind.OFFICER:
            return (await services.officers.get(identifier)).name
        if kind == PrincipalKind.CLIENT:
            client = await services.clients.get(identifier)
            return client.client_name if client else identifier
    except NotFound:
        return identifier
    return identifier


@router.get("/desk/issued")
async def issued(request: Request) -> Response:
    """Show the newest licences of the organisation, holders masked."""
    found = await services_of(request).licences.of_issuer(principal_of(request))
    fresh = request.query_params.get("new", "")
    notice = {"kind": "good", "text": say(request, ISSUED)} if any(one.identifier == fresh for one in found) else None
    shown = {
        "notice": notice,
        "licences": found,
        "masked": masked_holder,
        "organisation": await organisation_name(request, principal_of(request).organisation_code),
    }
    return await page(request, "desk_issued.html", shown)
