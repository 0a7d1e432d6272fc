"""Showing: scan, look, collect."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from api.context import services_of
from api.dependencies import principal_of
from api.schemas.common import problems
from api.schemas.licences import LicenceAnswer
from api.schemas.shows import ScanShow, ShowAnswer, ShownAnswer
from api.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["shows"])

ShowId = Annotated[str, Path(min_length=1, max_length=64)]


@router.post(
    "/api/v1/shows",
    status_code=201,
    summary="Scan a holder's code",
    responses=problems(400, 401, 403, 404, 409, 422),
)
async def scan(request: Request, body: ScanShow) -> ShowAnswer:
    """Spend the code for one matter; the holder is asked on the phone before anything is told."""
    shows = services_of(request).vault.shows
    return ShowAnswer.model_validate(await shows.scan(principal_of(request), body.code, body.purpose(), body.fields))


@router.get("/api/v1/shows/{show_id}", summary="Has the holder decided?", responses=problems(401, 403, 404, 422))
async def status(request: Request, show_id: ShowId) -> ShowAnswer:
    """Return where the show stands, to the window that scanned."""
    return ShowAnswer.model_validate(await services_of(request).vault.shows.status(principal_of(request), show_id))


@router.post(
    "/api/v1/shows/{show_id}/collection",
    summary="Collect what the holder released",
    responses=problems(401, 403, 404, 409, 422),
)
async def collect(request: Request, show_id: ShowId) -> ShownAnswer:
    """Return the licences, once, with a signed receipt; the holder sees who got them."""
    shown = await services_of(request).vault.shows.collect(principal_of(request), show_id)
    licences = [LicenceAnswer.model_validate(licence) for licence in shown.licences]
    return ShownAnswer(licences=licences, receipt=shown.receipt)
