"""The systems a person let in: what each may do, since when, and taking it back."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form
from api.web.rendering import page, see_other

router = APIRouter(include_in_schema=False)


@router.get("/applications")
async def applications(request: Request) -> Response:
    """List the systems."""
    services = services_of(request)
    found = await services.provider.applications.of(principal_of(request))
    names = {one.credit_code: one.name for one in await services.directory.organisations()}
    upstream_names = dict(services.provider.upstreams.names())
    linked = await services.provider.upstreams.linked(principal_of(request))
    shown = {
        "applications": found,
        "organisations": names,
        "withdrawn": request.query_params.get("withdrawn") == "1",
        "linked": [(source, upstream_names.get(source, source)) for source in linked],
    }
    return await page(request, "applications.html", shown)


@router.post("/applications/{client_id}")
async def withdraw(request: Request, client_id: str) -> Response:
    """Take back everything one system holds; its tokens end at once."""
    await checked_form(request)
    await services_of(request).provider.applications.withdraw(principal_of(request), client_id)
    return see_other("/applications?withdrawn=1")
