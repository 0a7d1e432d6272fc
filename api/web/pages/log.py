"""The public log: what it is, how far it reaches, who watches it, and where a receipt stands in it."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.web.csrf import public_form, text_of
from api.web.i18n import N_
from api.web.pages.public import MAX_RECEIPT
from api.web.rendering import page, say
from foundation.errors import NotFound

router = APIRouter(include_in_schema=False)

NO_RECEIPT = N_("请粘贴回执文字。")


@router.get("/log")
async def log(request: Request) -> Response:
    """Show how far the log reaches and who watches it."""
    return await _shown(request)


@router.post("/log")
async def look_up(request: Request) -> Response:
    """Show where a receipt stands in the log."""
    receipt = text_of(await public_form(request), "receipt", limit=MAX_RECEIPT)
    if not receipt:
        return await _shown(request, errors={"receipt": say(request, NO_RECEIPT)}, status=422)
    place = await services_of(request).verification_parts.places.find(receipt)
    return await _shown(request, asked=True, place=place)


async def _shown(request: Request, *, status: int = 200, **more: object) -> Response:
    parts = services_of(request).verification_parts
    try:
        state = await parts.witnesses.state()
    except NotFound:
        state = None
    return await page(request, "log.html", {"state": state, **more}, status=status)
