"""The department's own systems: its administrator registers and changes them, an operator approves what is new."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.messages import told
from api.web.rendering import page, say, see_other
from foundation.errors import InvalidInput, TrustServiceError
from foundation.principal import Channel
from idp.oauth.authorization_details import DETAIL_TYPES
from idp.oauth.client import AuthenticationMethod, Client, ClientRegistration, GrantType
from idp.oauth.client_metadata import SIGNING_ALGORITHMS
from idp.oauth.model import CLIENT_SCOPES, USER_SCOPES

router = APIRouter(include_in_schema=False)

LONG = 12_000
ADDRESSES = ("backchannel_logout_uri", "frontchannel_logout_uri")
CHANNEL_NAMES = {
    "": N_("各自的浏览器或手机"),
    Channel.KIOSK: N_("自助终端"),
    Channel.COUNTER: N_("办事窗口"),
    Channel.HOTLINE: N_("热线"),
}


@router.get("/department/clients")
async def clients(request: Request) -> Response:
    """Show the organisation's systems and what waits for approval."""
    found, requests = await services_of(request).departments.own(principal_of(request))
    done = request.query_params.get("done", "")
    return await page(request, "department_clients.html", {"clients": found, "requests": requests, "done": done})


@router.get("/department/clients/new")
async def new_client(request: Request) -> Response:
    """Show an empty form."""
    await services_of(request).departments.own(principal_of(request))
    return await _form(request, None, {})


@router.get("/department/clients/{client_id}")
async def client(request: Request, client_id: str) -> Response:
    """Show the form with what is registered."""
    found = await services_of(request).departments.client(principal_of(request), client_id)
    return await _form(request, client_id, values_of(found))


@router.post("/department/clients/new")
async def register(request: Request) -> Response:
    """Ask for a new system."""
    return await _ask(request, None)


@router.post("/department/clients/{client_id}")
async def change(request: Request, client_id: str) -> Response:
    """Change a system, at once or once approved."""
    return await _ask(request, client_id)


@router.post("/department/clients/{client_id}/secret")
async def secret(request: Request, client_id: str) -> Response:
    """Make a new secret and show it, this once."""
    await checked_form(request)
    made = await services_of(request).departments.rotate_secret(principal_of(request), client_id)
    shown = {"client_id": client_id, "secret": made, "back": "/department/clients"}
    return await page(request, "operate_secret.html", shown)


@router.post("/department/requests/{request_id}")
async def withdraw(request: Request, request_id: str) -> Response:
    """Take a request back."""
    await checked_form(request)
    await services_of(request).departments.withdraw(principal_of(request), request_id)
    return see_other("/department/clients?done=withdrawn")


@router.get("/operate/client-requests")
async def requests(request: Request) -> Response:
    """Show the operator what waits, beside what is registered now."""
    return await _requests(request)


@router.post("/operate/client-requests/{request_id}")
async def decide(request: Request, request_id: str) -> Response:
    """Approve or reject, as another person than the one who asked."""
    form = await checked_form(request)
    departments, principal = services_of(request).departments, principal_of(request)
    try:
        act = text_of(form, "act")
        if act not in {"approve", "reject"}:
            raise InvalidInput("Must be approve or reject.", field="act")
        if act == "approve":
            await departments.approve(principal, request_id)
        else:
            await departments.reject(principal, request_id, text_of(form, "reason", limit=300))
    except TrustServiceError as error:
        return await _requests(request, say(request, told(error).text))
    return see_other("/operate/client-requests")


async def _requests(request: Request, problem: str = "") -> Response:
    services = services_of(request)
    waiting = await services.departments.waiting(principal_of(request))
    names = {one.credit_code: one.name for one in await services.directory.organisations()}
    errors = {"_form": problem} if problem else {}
    shown = {"waiting": waiting, "organisations": names, "channels": CHANNEL_NAMES, "errors": errors}
    return await page(request, "operate_client_requests.html", shown, status=422 if problem else 200)


async def _ask(request: Request, client_id: str | None) -> Response:
    form = await checked_form(request)
    try:
        outcome = await services_of(request).departments.ask(principal_of(request), registration_of(form), client_id)
    except InvalidInput as error:
        field = error.field or "_form"
        return await _form(request, client_id, typed(form), {field: f"{field}: {error.detail}"})
    return see_other(f"/department/clients?done={outcome}")


async def _form(
    request: Request, client_id: str | None, values: Mapping[str, Any], errors: Mapping[str, str] | None = None
) -> Response:
    shown = {
        "client_id": client_id,
        "values": {**typed(FormData()), **values},
        "errors": errors or {},
        "user_scopes": sorted(USER_SCOPES),
        "client_scopes": sorted(CLIENT_SCOPES),
        "grants": [grant.value for grant in GrantType],
        "methods": [method.value for method in AuthenticationMethod],
        "algorithms": SIGNING_ALGORITHMS,
        "details": DETAIL_TYPES,
        "channels": CHANNEL_NAMES,
    }
    return await page(request, "department_client.html", shown, status=422 if errors else 200)


def typed(form: FormData) -> dict[str, Any]:
    """Return what was typed, as the form shows it again."""
    texts = {
        name: text_of(form, name, limit=LONG) for name in ("client_name", "redirect_uris", "jwks", "sector_identifier")
    }
    more = {name: text_of(form, name, limit=2000) for name in (*ADDRESSES, "post_logout_redirect_uris")}
    chosen = {
        "authentication": text_of(form, "authentication") or AuthenticationMethod.PRIVATE_KEY_JWT.value,
        "id_token_algorithm": text_of(form, "id_token_algorithm") or "ES256",
        "bound": text_of(form, "bound") == "yes",
        "channel": text_of(form, "channel"),
    }
    # A form takes no name twice, so each box has one of its own.
    lists = {name: _chosen(form, f"{name}.") for name in ("scopes", "grant_types", "details")}
    return {**texts, **more, **chosen, **lists}


def _chosen(form: FormData, prefix: str) -> list[str]:
    return sorted(name.removeprefix(prefix) for name in form if name.startswith(prefix))


def registration_of(form: FormData) -> ClientRegistration:
    """Return the registration a form asks for; raises InvalidInput for keys that are no JSON."""
    given = typed(form)
    metadata: dict[str, Any] = {name: given[name] for name in ADDRESSES if given[name]}
    metadata["post_logout_redirect_uris"] = given["post_logout_redirect_uris"].split()
    metadata["authorization_details_types"] = given["details"]
    metadata["dpop_bound_access_tokens"] = given["bound"]
    metadata["channel"] = given["channel"] or None
    try:
        method = AuthenticationMethod(given["authentication"])
        jwks = json.loads(given["jwks"]) if given["jwks"] else None
    except ValueError as error:
        raise InvalidInput("Must be a JSON Web Key Set.", field="jwks") from error
    if not isinstance(jwks, dict | None):
        raise InvalidInput("Must be a JSON Web Key Set.", field="jwks")
    return ClientRegistration(
        client_name=given["client_name"],
        organisation_code="",
        redirect_uris=tuple(given["redirect_uris"].split()),
        scopes=frozenset(given["scopes"]),
        grant_types=frozenset(given["grant_types"]),
        authentication=method,
        jwks=jwks,
        sector_identifier=given["sector_identifier"] or None,
        id_token_algorithm=given["id_token_algorithm"],
        metadata=metadata,
    )


def values_of(found: Client) -> dict[str, Any]:
    """Return a client as the form shows it."""
    return {
        "client_name": found.client_name,
        "redirect_uris": "\n".join(found.redirect_uris),
        "jwks": "" if found.jwks is None else json.dumps(found.jwks, indent=1),
        "sector_identifier": "" if found.sector_identifier == found.client_id else found.sector_identifier,
        "authentication": found.authentication.value,
        "id_token_algorithm": found.id_token_algorithm,
        "bound": found.metadata.dpop_bound_access_tokens,
        "channel": found.metadata.channel or "",
        "scopes": sorted(found.scopes),
        "grant_types": sorted(found.grant_types),
        "details": list(found.metadata.authorization_details_types),
        "post_logout_redirect_uris": "\n".join(found.metadata.post_logout_redirect_uris),
        **{name: getattr(found.metadata, name) or "" for name in ADDRESSES},
    }
