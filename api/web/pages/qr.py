"""QR sign-in: a screen shows a code, a phone that is signed in agrees, the screen goes on.

What the screen keeps to itself stands in its form, not in an address; the phone opens an
address with the ticket, which is worth nothing without the screen's secret.
"""

import base64
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.arriving import arrival_of, following_of, go_on, go_on_address, keep_arrived
from api.web.csrf import checked_form, text_of
from api.web.pages.sign_in import step_query
from api.web.rendering import page, see_other
from api.web.wrong import wrong
from foundation.errors import NotFound, TrustServiceError
from idp.people.errors import SignInRefused
from idp.people.qr_sign_in import TICKET_SECONDS, QrTicket
from licence_vault import qr

router = APIRouter(include_in_schema=False)

JSON_HEADERS = {"cache-control": "no-store"}
SECRET_CHARS = 60


@router.get("/sign-in/qr")
async def qr_page(request: Request) -> Response:
    """Show a fresh code; it lives two minutes."""
    try:
        ticket = await services_of(request).people.qr_sign_in.begin(await arrival_of(request))
    except TrustServiceError as error:
        return await _screen(request, None, error)
    return await _screen(request, ticket)


async def _screen(request: Request, ticket: QrTicket | None, error: TrustServiceError | None = None) -> Response:
    query, picture = step_query(request), ""
    if ticket is not None:
        address = f"{services_of(request).settings.issuer}/sign-in/phone/{ticket.ticket}"
        picture = "data:image/png;base64," + base64.b64encode(qr.picture_png(address)).decode()
    shown = {
        "ticket": ticket,
        "picture": picture,
        "number": ticket.number if ticket else "",
        "seconds": TICKET_SECONDS,
        "action": f"/sign-in/qr{query}",
        "back": f"/sign-in{query}",
        "errors": wrong(request, error) if error else {},
    }
    return await page(request, "sign_in_qr.html", shown)


@router.post("/sign-in/qr")
async def collect(request: Request) -> Response:
    """Open the session once the phone agreed; a script asks for JSON, a button for a page."""
    form = await checked_form(request)
    ticket = QrTicket(text_of(form, "ticket", limit=SECRET_CHARS), text_of(form, "collector", limit=SECRET_CHARS))
    script = "application/json" in request.headers.get("accept", "")
    try:
        session = await services_of(request).people.qr_sign_in.collect(
            ticket.ticket, ticket.collector, await arrival_of(request)
        )
    except NotFound:
        return _json({"state": "gone"}) if script else see_other(f"/sign-in/qr{step_query(request)}")
    if session is None:
        return _json({"state": "waiting"}) if script else await _screen(request, ticket)
    following = following_of(request)
    if script:
        return keep_arrived(request, _json({"next": go_on_address(session, following)}), session)
    return await go_on(request, session, following)


@router.get("/sign-in/phone/{ticket}")
async def phone(request: Request, ticket: str) -> Response:
    """Show the phone's owner which screen asks."""
    try:
        asking = await services_of(request).people.qr_sign_in.look(principal_of(request), ticket)
    except NotFound:
        return await _phone(request, status=404)
    return await _phone(request, asking=asking, ticket=ticket)


@router.post("/sign-in/phone/{ticket}")
async def approve(request: Request, ticket: str) -> Response:
    """Agree with the number the screen shows, once; another number, or a no, ends the sign-in."""
    form = await checked_form(request)
    service, principal = services_of(request).people.qr_sign_in, principal_of(request)
    try:
        if text_of(form, "answer") != "yes":
            await service.refuse(principal, ticket)
            return see_other("/home")
        await service.approve(principal, ticket, text_of(form, "number", limit=10))
    except SignInRefused:
        return await _phone(request, wrong=True, status=422)
    except NotFound:
        return await _phone(request, status=404)
    return await _phone(request, approved=True)


async def _phone(request: Request, *, status: int = 200, **facts: Any) -> Response:  # noqa: ANN401 - facts of the page
    shown = {"asking": None, "approved": False, "wrong": False, "ticket": "", **facts}
    return await page(request, "sign_in_phone.html", shown, status=status)


def _json(body: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), 200, JSON_HEADERS, media_type="application/json")
