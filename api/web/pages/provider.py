"""Pages the OpenID Provider needs itself: leaving a department's system, and what comes from other devices."""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.middleware import CONTENT_SECURITY_POLICY
from api.routes.oauth import form_parameters, query_parameters
from api.web import cookies, sessions
from api.web.acts import shown_act
from api.web.csrf import checked_form, text_of
from api.web.organisations import organisation_name
from api.web.rendering import continue_to, page, see_other
from foundation.errors import InvalidInput, StepUpRequired
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
    return await leave(request, asked.address)


@router.get("/device")
async def device(request: Request) -> Response:
    """Ask for the code another device shows."""
    return await page(request, "oauth_device.html", {"user_code": request.query_params.get("user_code", "")[:20]})


@router.post("/device")
async def device_code(request: Request) -> Response:
    """Find the question behind a typed code."""
    form = await checked_form(request)
    typed = text_of(form, "user_code", limit=20)
    try:
        question_id = await services_of(request).provider.question_of_code(typed, principal_of(request))
    except InvalidInput:
        return await page(request, "oauth_device.html", {"user_code": typed, "unknown": True}, status=422)
    return see_other(f"/questions/{question_id}")


@router.get("/questions")
async def questions(request: Request) -> Response:
    """List what other devices ask of the person."""
    found = await services_of(request).provider.questions(principal_of(request))
    return await page(request, "oauth_questions.html", {"questions": found})


@router.get("/questions/{question_id}")
async def question(request: Request, question_id: str) -> Response:
    """Show who asks for what, from which device."""
    services = services_of(request)
    asked = await services.provider.question(question_id, principal_of(request))
    name = await organisation_name(request, asked.organisation_code)
    shown = {"ask": asked, "organisation_name": name, "shown": await shown_act(request, asked.detail)}
    return await page(request, "oauth_question.html", shown)


@router.post("/questions/{question_id}")
async def answer(request: Request, question_id: str) -> Response:
    """Take the answer, once."""
    approved = text_of(await checked_form(request), "answer") == "yes"
    try:
        await services_of(request).provider.answer_question(question_id, principal_of(request), approved=approved)
    except StepUpRequired as error:
        return see_other(f"/real-name?next=/questions/{question_id}&acr={error.acr_values}")
    return await page(request, "oauth_answered.html", {"approved": approved})


async def _logout(request: Request, parameters: Parameters) -> Response:
    provider = services_of(request).provider
    session = await sessions.current(request)
    asked = await provider.check_logout(parameters, session.principal() if session else None)
    if not asked.confirm:
        return await leave(request, asked.address)
    kept = await provider.keep_logout(parameters)
    return await page(request, "oauth_logout.html", {"client_name": asked.client_name, "logout_id": kept})


async def leave(request: Request, address: str | None) -> Response:
    """End the browser's session, here and at the systems that know it, and go on to `address` or the start."""
    session = await sessions.current(request)
    frames: tuple[str, ...] = ()
    if session is not None:
        frames = await services_of(request).provider.front_channel(session.session_id)
        await services_of(request).sessions.sign_out(session.principal())
        sessions.forget(request)
    response = await after_sign_out(request, frames, address)
    cookies.drop(request, response, cookies.SESSION)
    cookies.drop(request, response, cookies.PENDING)
    return response


async def after_sign_out(request: Request, frames: tuple[str, ...], address: str | None) -> Response:
    """Go on after a sign-out, by way of the logout pages of the systems that have one (front-channel logout).

    The page's policy lets exactly those origins be framed, and nothing else changes in it.
    """
    if not frames:
        return await continue_to(request, address) if address else see_other("/")
    response = await page(request, "oauth_left.html", {"frames": frames, "address": address or "/"})
    origins = sorted({f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, frames)})
    response.headers["content-security-policy"] = f"{CONTENT_SECURITY_POLICY}; frame-src {' '.join(origins)}"
    return response
