"""Showing a licence from a phone, and checking originals at a window."""

import base64
import re

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web import cookies
from api.web.csrf import checked_form, text_of
from api.web.messages import told
from api.web.pages.citizen import face_rows
from api.web.rendering import page, say, see_other
from foundation.errors import TrustServiceError
from licence_vault import qr
from licence_vault.model import Purpose
from licence_vault.shows import CODE_DIGITS, LIFETIME, PREFIX, ShowCode, ShowState

router = APIRouter(include_in_schema=False)

CODE = re.compile(rf"\d{{{CODE_DIGITS}}}", re.ASCII)
SCAN_FIELDS = frozenset({"code", "matter_code", "case_number", "reason"})


@router.post("/licences/{identifier}/show")
async def offer(request: Request, identifier: str) -> Response:
    """Make a code for one licence; it works once, for five minutes.

    The code stays in a cookie of the page that draws it: that page can be loaded again, and
    here only the code's digest is kept.
    """
    await checked_form(request)
    offered = await services_of(request).vault.shows.offer(principal_of(request), [identifier])
    return code_page(request, offered)


def code_page(request: Request, offered: ShowCode) -> Response:
    """Lead to the page that draws a fresh code, which only this browser can."""
    address = f"/shows/{offered.show_id}"
    response = see_other(address)
    seconds = int(LIFETIME.total_seconds())
    cookies.put_for_page(request, response, cookies.SHOW, offered.code, path=address, max_age=seconds)
    return response


@router.get("/licences/{identifier}/show")
async def offer_page(identifier: str) -> Response:
    """Lead an address that was typed or kept to the licence, where the button is."""
    return see_other(f"/licences/{identifier}")


@router.get("/shows/{show_id}")
async def show(request: Request, show_id: str) -> Response:
    """Draw the code; once it was scanned, say who asks for what, and let the holder decide."""
    found = await services_of(request).vault.shows.status(principal_of(request), show_id)
    code = request.cookies.get(cookies.page_name(request, cookies.SHOW), "")
    if found.state is not ShowState.OFFERED or not CODE.fullmatch(code):
        return await page(request, "show.html", {"show": found})
    left = found.expires_at - services_of(request).clock.now()
    picture = base64.b64encode(qr.picture_png(PREFIX + code)).decode()
    shown = {
        "show": found,
        "code": code,
        "picture": f"data:image/png;base64,{picture}",
        "seconds": max(1, int(left.total_seconds())),
    }
    return await page(request, "show_code.html", shown)


@router.get("/shows/{show_id}/state")
async def state(request: Request, show_id: str) -> Response:
    """Tell the page that shows the code whether it was scanned."""
    found = await services_of(request).vault.shows.status(principal_of(request), show_id)
    return Response(
        orjson.dumps({"state": found.state.value}), media_type="application/json", headers={"cache-control": "no-store"}
    )


@router.post("/shows/{show_id}")
async def decide(request: Request, show_id: str) -> Response:
    """Release or refuse, or take the code back before anybody scanned it."""
    form = await checked_form(request)
    shows, principal, said = services_of(request).vault.shows, principal_of(request), text_of(form, "answer")
    if said == "withdraw":
        await shows.withdraw(principal, show_id)
        return see_other("/licences")
    if said == "yes":
        await shows.release(principal, show_id)
    else:
        await shows.refuse(principal, show_id)
    return see_other(f"/shows/{show_id}")


@router.get("/desk/check")
async def check_page(request: Request) -> Response:
    """Ask for a code and the matter it is for."""
    return await _check_page(request)


async def _check_page(
    request: Request, errors: dict[str, str] | None = None, values: dict[str, str] | None = None
) -> Response:
    matters = await services_of(request).directory.matters()
    shown = {"matters": matters, "errors": errors or {}, "values": values or {}}
    return await page(request, "desk_check.html", shown, status=422 if errors else 200)


@router.post("/desk/check")
async def check(request: Request) -> Response:
    """Scan a holder's code."""
    form = await checked_form(request)
    values = {name: text_of(form, name, limit=300) for name in SCAN_FIELDS}
    purpose = Purpose(values["matter_code"] or None, values["case_number"], values["reason"])
    shows = services_of(request).vault.shows
    try:
        found = await shows.scan(principal_of(request), values["code"], purpose)
    except TrustServiceError as error:
        told_of = told(error, SCAN_FIELDS)
        return await _check_page(request, {told_of.field or "_form": say(request, told_of.text)}, values)
    return see_other(f"/desk/check/{found.show_id}")


@router.get("/desk/check/{show_id}")
async def waiting(request: Request, show_id: str) -> Response:
    """Wait for the phone; the page looks again by itself."""
    found = await services_of(request).vault.shows.status(principal_of(request), show_id)
    return await page(request, "desk_check_wait.html", {"show": found})


@router.post("/desk/check/{show_id}")
async def collect(request: Request, show_id: str) -> Response:
    """Show what the holder released, once."""
    await checked_form(request)
    services = services_of(request)
    shown = await services.vault.shows.collect(principal_of(request), show_id)
    rows = []
    for licence in shown.licences:
        licence_type = await services.catalogue.get(licence.type_code, licence.type_version)
        rows.append((licence, face_rows(licence.face, licence_type.schema)))
    return await page(request, "desk_check_done.html", {"licences": rows, "receipt": shown.receipt})
