"""Pages the OpenID Provider needs itself: leaving a department's system, and what comes from other devices."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.routes.oauth import form_parameters, query_parameters
from api.web import cookies, sessions
from api.web.csrf import checked_form
from api.web.rendering import continue_to, page, see_other
from idp.oauth.model import Parameters

router = APIRouter(include_in_schema=False)


@router.get("/oauth/logout")
async def logout(request: Request) -> Response:
    """End the session at the wish of a department's system (RP-initiated logout)."""
    return await _logout(request, query_parameters(request))


@router.post("/oauth/logout")
async def logout_by_post(request: Request) -> Response:
    """Take the same request in a form.

    NOTE: a post from another site carries no session cookie, so the parameters travel on by GET.
    """
    parameters = await form_parameters(request)
    await services_of(request).provider.check_logout(parameters, None)
    return see_other(f"/oauth/logout/continue/{await services_of(request).provider.keep_logout(parameters)}")


@router.get("/oauth/logout/continue/{logout_id}")
async def logout_continued(request: Request, logout_id: str) -> Response:
    """Go on with a posted request."""
    return await _logout(request, await services_of(request).provider.kept_logout(logout_id))


@router.post("/oauth/logout/confirm/{logout_id}")
async def logout_confirmed(request: Request, logout_id: str) -> Response:
    """Sign out because the person said so."""
    await checked_form(request)
    provider = services_of(request).provider
    asked = await provider.check_logout(await provider.kept_logout(logout_id), None)
    return await _leave(request, asked.address)


async def _logout(request: Request, parameters: Parameters) -> Response:
    provider = services_of(request).provider
    session = await sessions.current(request)
    asked = await provider.check_logout(parameters, session.principal() if session else None)
    if not asked.confirm:
        return await _leave(request, asked.address)
    kept = await provider.keep_logout(parameters)
    return await page(request, "oauth_logout.html", {"client_name": asked.client_name, "logout_id": kept})


async def _leave(request: Request, address: str | None) -> Response:
    session = await sessions.current(request)
    if session is not None:
        await services_of(request).sessions.sign_out(session.principal())
    response = await continue_to(request, address) if address else see_other("/")
    cookies.drop(request, response, cookies.SESSION)
    cookies.drop(request, response, cookies.PENDING)
    return response
