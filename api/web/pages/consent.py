"""The question whether a department's system may sign the person in."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.routes.oauth import client_address, outcome_response
from api.web.acts import shown_act
from api.web.csrf import checked_form, text_of
from api.web.organisations import organisation_name
from api.web.rendering import continue_to, page
from idp.oauth.errors import AuthorizationRefused
from idp.oauth.model import AuthorizationResponse, ResponseMode

router = APIRouter(include_in_schema=False)


@router.get("/consent/{interaction_id}")
async def consent_page(request: Request, interaction_id: str) -> Response:
    """Show who asks for what."""
    services = services_of(request)
    ask = await services.provider.consent_page(interaction_id, principal_of(request))
    name = await organisation_name(request, ask.organisation_code)
    shown = await shown_act(request, ask.detail)
    return await page(request, "consent.html", {"ask": ask, "organisation_name": name, "shown": shown})


@router.post("/consent/{interaction_id}")
async def consent(request: Request, interaction_id: str) -> Response:
    """Take the answer, once, and go back to the department's system."""
    form = await checked_form(request)
    approved = text_of(form, "answer") == "yes"
    try:
        outcome = await services_of(request).provider.decide(interaction_id, principal_of(request), approved=approved)
    except AuthorizationRefused as refused:
        if refused.response is None:
            raise
        outcome = refused.response
    if isinstance(outcome, AuthorizationResponse) and outcome.mode is not ResponseMode.FORM_POST:
        return await continue_to(request, client_address(outcome))
    return await outcome_response(request, outcome)
