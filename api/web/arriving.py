"""From a proven credential into a session: cookies, the second factor, and back to whoever sent the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.context import services_of, source_of
from api.web import cookies, csrf, sessions
from api.web.device import agent_of, device_label
from api.web.rendering import continue_to, safe_next, see_other, with_next
from foundation import channels
from idp.people.account import AccountKind
from idp.people.session import Arrival, Browser

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from foundation.principal import Principal
    from idp.people.session import Session

HOMES = {AccountKind.OFFICER: "/desk", AccountKind.OPERATOR: "/operate"}
PROTOCOL, CONTINUED = "/oauth/", "/oauth/continue/"
"""A sign-in a department's system waits for goes on there."""


async def arrival_of(request: Request, following: str | None = None) -> Arrival:
    """Return where the browser signs in from: a kiosk when the sign-in is for a kiosk's own request.

    `following` is the page that asked for the sign-in where the address does not say it.
    """
    asked = following_of(request) if following is None else following
    interaction = asked.removeprefix(CONTINUED)
    client = None if interaction == asked else await services_of(request).provider.client_of(interaction)
    channel = channels.of_browser(agent_of(request), None if client is None else client.channel)
    machine = None if client is None or client.channel is not channel else client.client_id
    device = cookies.read(request, cookies.DEVICE)
    return Arrival(source_of(request), channel, device, device_label(request), machine)


def browser_of(request: Request) -> Browser:
    """Return which browser asks, so that another one at its address does not wait for it."""
    return Browser(cookies.read(request, cookies.DEVICE), csrf.token(request))


def visitor_of(request: Request) -> Principal:
    """Return who asks on a public page: somebody at a browser, without a session."""
    return channels.visitor(channels.of_browser(agent_of(request)))


def following_of(request: Request) -> str:
    """Return the page that asked for the sign-in, unverified; it travels along in the query of every step."""
    return request.query_params.get("next", "")


def home_of(session: Session) -> str:
    """Return where a kind of account starts."""
    return HOMES.get(session.kind, "/home")


def go_on_address(session: Session, following: str) -> str:
    """Return the page of ours to go to after a sign-in; one that owes a second factor or a post goes there first."""
    if session.pending:
        return with_next("/second-factor", following)
    if session.choosing:
        return with_next("/post", following)
    return safe_next(following, home_of(session))


async def go_on(request: Request, session: Session, following: str) -> Response:
    """Leave the sign-in for the page that asked for it, with the session's cookies."""
    target = go_on_address(session, following)
    response = await continue_to(request, target) if target.startswith(PROTOCOL) else see_other(target)
    return keep_arrived(request, response, session)


def keep_arrived(request: Request, response: Response, session: Session) -> Response:
    """Give the browser the session; the secret of forms before sign-in has served."""
    sessions.keep(request, response, session)
    if not session.unfinished:
        cookies.drop(request, response, cookies.FORM)
    return response
