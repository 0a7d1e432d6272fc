"""Signing in by another provider: there, back, and once the link to the own account."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.context import services_of
from api.dependencies import principal_of
from api.routes.oauth import query_parameters
from api.web import cookies
from api.web.arriving import arrival_of, go_on
from api.web.csrf import checked_form, text_of
from api.web.rendering import continue_to, page, safe_next, see_other
from idp.oauth.upstream import ATTEMPT_SECONDS, LINK_SECONDS

router = APIRouter(include_in_schema=False)

ATTEMPT, LINK = "hufu-upstream", "hufu-link"
AMR = ("fed",)


@router.get("/sign-in/with/{source}")
async def leave_for(request: Request, source: str) -> Response:
    """Send the browser to the other provider."""
    following = safe_next(request.query_params.get("next"), "/home")
    begun = await services_of(request).provider.upstreams.begin(source, following)
    response = RedirectResponse(begun.address, 303, headers={"cache-control": "no-store"})
    cookies.put(request, response, ATTEMPT, begun.browser_secret, max_age=ATTEMPT_SECONDS)
    return response


@router.get("/sign-in/with/{source}/back")
async def come_back(request: Request, source: str) -> Response:
    """Sign in whoever is linked; ask anybody else to link once."""
    services, secret = services_of(request), cookies.read(request, ATTEMPT)
    arrived = await services.provider.upstreams.finish(source, query_parameters(request), secret)
    if arrived.account_id is not None:
        session = await services.sessions.open_by(arrived.account_id, AMR, await arrival_of(request, arrived.following))
        response = await go_on(request, session, arrived.following)
    else:
        address = f"/sign-in/with/{source}/link"
        response = see_other(address)
        cookies.put(request, response, LINK, arrived.link_secret or "", max_age=LINK_SECONDS)
    cookies.drop(request, response, ATTEMPT)
    return response


@router.get("/sign-in/with/{source}/link")
async def ask_to_link(request: Request, source: str) -> Response:
    """Say what is about to be linked, to the account that is signed in here."""
    name = services_of(request).provider.upstreams.name_of(source)
    return await page(request, "upstream_link.html", {"name": name, "source": source})


@router.post("/sign-in/with/{source}/link")
async def link(request: Request, source: str) -> Response:
    """Link, and go on to where the sign-in was for."""
    await checked_form(request)
    upstreams = services_of(request).provider.upstreams
    following = await upstreams.link(principal_of(request), source, cookies.read(request, LINK))
    response = await continue_to(request, following)
    cookies.drop(request, response, LINK)
    return response


@router.post("/security/upstream")
async def unlink(request: Request) -> Response:
    """Take a link away."""
    form = await checked_form(request)
    await services_of(request).provider.upstreams.unlink(principal_of(request), text_of(form, "source"))
    return see_other("/applications")
