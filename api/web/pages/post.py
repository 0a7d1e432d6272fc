"""In which of several posts an officer acts: chosen at the end of the sign-in, changed on the page."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.web import sessions
from api.web.arriving import following_of, go_on
from api.web.csrf import checked_form, text_of
from api.web.rendering import page, see_other, with_next
from api.web.wrong import Wrong, wrong
from foundation.errors import TrustServiceError
from idp.people.account import AccountKind
from idp.people.session import Session

router = APIRouter(include_in_schema=False)


async def _session(request: Request) -> Session | None:
    """Return the officer's sign-in that waits for the choice, or the open session that changes it."""
    session = await sessions.choosing(request) or await sessions.current(request)
    return session if session is not None and session.kind is AccountKind.OFFICER else None


@router.get("/post")
async def posts(request: Request) -> Response:
    """Show the posts held now."""
    session = await _session(request)
    if session is None:
        return see_other(with_next("/sign-in", following_of(request)))
    return await _posts(request, session)


async def _posts(request: Request, session: Session, errors: Wrong | None = None) -> Response:
    services, following = services_of(request), following_of(request)
    shown = []
    for post in await services.sessions.posts(session):
        organisation = await services.directory.organisation(post.organisation_code)
        shown.append((post, organisation.name, (await services.directory.district(post.district_code)).name))
    facts: dict[str, Any] = {
        "posts": shown,
        "now_in": session.officer_id,
        "action": with_next("/post", following),
        "other": with_next("/sign-in", following),
        "errors": errors or {},
    }
    return await page(request, "post.html", facts)


@router.post("/post")
async def take(request: Request) -> Response:
    """Act in the chosen post from now on."""
    form, session = await checked_form(request), await _session(request)
    if session is None:
        return see_other(with_next("/sign-in", following_of(request)))
    try:
        taken = await services_of(request).sessions.take_post(session, text_of(form, "officer_id", limit=60))
    except TrustServiceError as error:
        return await _posts(request, session, wrong(request, error))
    return await go_on(request, taken, following_of(request))
