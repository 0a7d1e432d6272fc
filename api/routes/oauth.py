"""The OpenID Provider's endpoints: read the request, call the provider, write its answer."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import orjson
from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.context import client_certificate, services_of, source_of
from api.dependencies import session_principal
from api.oauth_errors import NO_STORE, endpoint_error, resource_error
from api.thin import ThinRoute
from api.web.rendering import continue_to
from foundation.errors import NotAuthenticated, TrustServiceError
from idp.oauth.errors import AuthorizationRefused, OAuthError
from idp.oauth.model import (
    AuthorizationResponse,
    ConsentNeeded,
    EndpointRequest,
    Parameters,
    ResponseMode,
    SenderProof,
    SignInNeeded,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from idp.oauth.model import AuthorizationOutcome, EndpointResponse

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 60
PUBLIC_SECONDS = 300
SUBMIT = "document.forms[0].submit()"
SUBMIT_HASH = base64.b64encode(hashlib.sha256(SUBMIT.encode()).digest()).decode()


router = APIRouter(route_class=ThinRoute, tags=["oauth"], default_response_class=Response)


@router.post("/oauth/token", summary="Token endpoint (RFC 6749)")
async def token(request: Request) -> Response:
    """Exchange a code, refresh token or the client's own credentials for tokens."""
    return await _back_channel(request, services_of(request).provider.token)


@router.post("/oauth/par", summary="Pushed authorization requests (RFC 9126)")
async def push(request: Request) -> Response:
    """Keep an authorization request and name it."""
    return await _back_channel(request, services_of(request).provider.push)


@router.post("/oauth/device_authorization", summary="Device authorization (RFC 8628)")
async def device(request: Request) -> Response:
    """Give a kiosk a code for the person to type elsewhere."""
    return await _back_channel(request, services_of(request).provider.device)


@router.post("/oauth/bc-authorize", summary="Backchannel authentication (CIBA)")
async def backchannel_authentication(request: Request) -> Response:
    """Ask a person on a device of their own."""
    return await _back_channel(request, services_of(request).provider.ciba)


@router.post("/oauth/introspect", summary="Token introspection (RFC 7662)")
async def introspect(request: Request) -> Response:
    """Tell a client about its own token."""
    return await _back_channel(request, services_of(request).provider.introspect)


@router.post("/oauth/revoke", summary="Token revocation (RFC 7009)")
async def revoke(request: Request) -> Response:
    """End a client's own token."""
    return await _back_channel(request, services_of(request).provider.revoke)


@router.post("/oauth/register", summary="Client registration (RFC 7591)")
async def register(request: Request) -> Response:
    """Register a client with an initial access token."""

    async def act(token: str) -> EndpointResponse:
        return await services_of(request).provider.registration.create(token, await _json_object(request))

    return await _registration(request, act)


@router.get("/oauth/register/{client_id}", summary="Read a registration (RFC 7592)")  # noqa: FAST003 - thin: request alone
async def registration(request: Request) -> Response:
    """Return a client's registration to itself."""
    own = request.path_params["client_id"]
    return await _registration(request, lambda token: services_of(request).provider.registration.read(own, token))


@router.put("/oauth/register/{client_id}", summary="Replace a registration")  # noqa: FAST003 - thin: request alone
async def replace_registration(request: Request) -> Response:
    """Replace a client's registration."""

    async def act(token: str) -> EndpointResponse:
        own, body = request.path_params["client_id"], await _json_object(request)
        return await services_of(request).provider.registration.replace(own, token, body)

    return await _registration(request, act)


@router.delete("/oauth/register/{client_id}", summary="End a client")  # noqa: FAST003 - thin: request alone
async def remove_registration(request: Request) -> Response:
    """End a client."""
    own = request.path_params["client_id"]
    return await _registration(request, lambda token: services_of(request).provider.registration.remove(own, token))


@router.get("/oauth/userinfo", summary="Claims about the person (OpenID Connect Core)")
async def userinfo(request: Request) -> Response:
    """Answer with the claims the access token opens."""
    return await _userinfo(request, ())


@router.post("/oauth/userinfo", summary="Claims about the person, asked by POST")
async def userinfo_by_post(request: Request) -> Response:
    """Answer like GET; the token may also come in the form body (RFC 6750 section 2.2)."""
    try:
        parameters = await form_parameters(request) if request.headers.get("content-type", "").startswith(FORM) else ()
    except OAuthError as error:
        return endpoint_error(error, used_authorization_header=False)
    return await _userinfo(request, parameters)


@router.get("/oauth/jwks", summary="Public signing keys (RFC 7517)")
async def jwks(request: Request) -> Response:
    """Return the keys that verify our tokens."""
    return _public(services_of(request).provider.jwks(), "application/jwk-set+json")


@router.get("/.well-known/openid-configuration", summary="Provider metadata (OpenID Connect Discovery)")
@router.get("/.well-known/oauth-authorization-server", summary="Server metadata (RFC 8414)")
async def discovery(request: Request) -> Response:
    """Return what the provider can do."""
    return _public(services_of(request).provider.discovery(), "application/json")


@router.get("/oauth/authorize", summary="Authorization endpoint (OpenID Connect Core)")
async def authorize(request: Request) -> Response:
    """Send the browser on: to sign-in, to consent, or back to the client."""
    provider = services_of(request).provider
    parameters = query_parameters(request)
    principal = await session_principal(request)
    return await _outcome(provider.authorize(parameters, principal))


@router.post("/oauth/authorize", summary="Authorization endpoint, asked by POST")
async def authorize_by_post(request: Request) -> Response:
    """Keep the request and go on by GET: a post from another site carries no session cookie."""
    interaction_id = await services_of(request).provider.remember(await form_parameters(request))
    return _see_other(f"/oauth/continue/{interaction_id}")


@router.get("/oauth/continue/{interaction_id}", summary="Go on after sign-in")  # noqa: FAST003 - thin: request alone
async def resume(request: Request) -> Response:
    """Look at the session again and send the browser on."""
    provider = services_of(request).provider
    principal = await session_principal(request)
    return await _outcome(provider.resume(request.path_params["interaction_id"], principal))


async def _outcome(pending: Awaitable[AuthorizationOutcome]) -> Response:
    """Await an outcome and answer; a refusal with a proven address goes there, others become a page."""
    try:
        outcome = await pending
    except AuthorizationRefused as refused:
        if refused.response is None:
            raise
        outcome = refused.response
    if isinstance(outcome, AuthorizationResponse) and outcome.mode is ResponseMode.FORM_POST:
        return _form_post(outcome)
    return _see_other(next_address(outcome))


async def outcome_response(request: Request, outcome: AuthorizationOutcome) -> Response:
    """Answer a form of ours with the browser's next step; a redirect would break `form-action 'self'`."""
    if isinstance(outcome, AuthorizationResponse) and outcome.mode is ResponseMode.FORM_POST:
        return _form_post(outcome)
    return await continue_to(request, next_address(outcome))


def next_address(outcome: AuthorizationOutcome) -> str:
    """Return where the browser goes: sign-in, consent, or the client."""
    if isinstance(outcome, SignInNeeded):
        return sign_in_address(outcome)
    if isinstance(outcome, ConsentNeeded):
        return f"/consent/{outcome.interaction_id}"
    return client_address(outcome)


def sign_in_address(needed: SignInNeeded) -> str:
    """Return the page that does what is missing: sign-in, or the real-name proof of a person signed in."""
    following = f"/oauth/continue/{needed.interaction_id}"
    query = {"next": following}
    if needed.step_up and needed.acr:
        return "/real-name?" + urlencode({**query, "acr": needed.acr})
    if needed.forced:
        query["forced"] = "1"
    if needed.login_hint:
        query["login_hint"] = needed.login_hint
    return "/sign-in?" + urlencode(query, quote_via=quote)


def client_address(response: AuthorizationResponse) -> str:
    """Return the client's redirect_uri with the answer in its query or fragment."""
    answer = urlencode(response.parameters, quote_via=quote, errors="surrogatepass")
    if response.mode is ResponseMode.FRAGMENT:
        return f"{response.redirect_uri}#{answer}"
    return f"{response.redirect_uri}{'&' if '?' in response.redirect_uri else '?'}{answer}"


def sender_proof(request: Request) -> SenderProof:
    """Return what came along to prove possession of an access token's key."""
    return SenderProof(
        method=request.method,
        url=_own_address(request),
        dpop=tuple(request.headers.getlist("dpop")),
        certificate_der=client_certificate(request),
    )


def query_parameters(request: Request) -> Parameters:
    """Return the query's parameters in order; raises OAuthError."""
    return _parameters(request.scope["query_string"])


async def form_parameters(request: Request) -> Parameters:
    """Return a form body's parameters in order; raises OAuthError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise OAuthError("invalid_request", f"The body must be {FORM}.", status=415)
    return _parameters(await request.body())


async def _back_channel(
    request: Request, use_case: Callable[[EndpointRequest], Awaitable[EndpointResponse]]
) -> Response:
    authorization = request.headers.getlist("authorization")
    try:
        if len(authorization) > 1:
            raise OAuthError("invalid_request", "The Authorization header is repeated.")
        answer = await use_case(
            EndpointRequest(
                parameters=await form_parameters(request),
                authorization=authorization[0] if authorization else None,
                url=_own_address(request),
                dpop=tuple(request.headers.getlist("dpop")),
                source=source_of(request),
                accept=request.headers.get("accept", ""),
                certificate_der=client_certificate(request),
            )
        )
    except TrustServiceError as error:
        return endpoint_error(error, used_authorization_header=bool(authorization))
    return _answer(answer)


async def _registration(request: Request, act: Callable[[str], Awaitable[EndpointResponse]]) -> Response:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("A registration token is needed.")
        if not request.path_params.get("client_id", "").isprintable():
            raise NotAuthenticated("The registration token does not fit.")
        return _answer(await act(token.strip()))
    except TrustServiceError as error:
        return resource_error(error, token_sent=bool(token))


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise OAuthError("invalid_client_metadata", "The body must be JSON.") from error
    if not isinstance(body, dict):
        raise OAuthError("invalid_client_metadata", "The body must be a JSON object.")
    if b"\\u0000" in orjson.dumps(body):
        raise OAuthError("invalid_client_metadata", "A value holds a NUL character.")
    return body


async def _userinfo(request: Request, parameters: Parameters) -> Response:
    headers = request.headers.getlist("authorization")
    scheme, _, credential = (headers[0] if headers else "").partition(" ")
    offered = [credential.strip()] if scheme.lower() in {"bearer", "dpop"} else []
    offered += [value for name, value in parameters if name == "access_token"]
    try:
        if len(offered) != 1 or len(headers) > 1:
            raise NotAuthenticated("One access token is needed.")
        answer = await services_of(request).provider.userinfo(offered[0], sender_proof(request))
    except TrustServiceError as error:
        return resource_error(error, token_sent=bool(offered))
    return _answer(answer)


def _answer(answer: EndpointResponse) -> Response:
    body = answer.body if isinstance(answer.body, str) else orjson.dumps(answer.body)
    return Response(body, answer.status, {**NO_STORE, **dict(answer.headers)}, media_type=answer.media_type)


def _public(body: dict[str, Any], media_type: str) -> Response:
    headers = {"cache-control": f"public, max-age={PUBLIC_SECONDS}", "access-control-allow-origin": "*"}
    headers["cross-origin-resource-policy"] = "cross-origin"
    return Response(orjson.dumps(body), headers=headers, media_type=media_type)


def _parameters(encoded: bytes) -> Parameters:
    try:
        pairs = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise OAuthError("invalid_request", "The parameters are not form-encoded UTF-8, or too many.") from error
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise OAuthError("invalid_request", "A parameter holds a NUL character.")
    return tuple(pairs)


def _own_address(request: Request) -> str:
    """Return the public address of this endpoint, whatever Host header came."""
    return services_of(request).settings.issuer + str(request.scope["path"])


def _see_other(address: str) -> Response:
    return RedirectResponse(address, 303, headers={**NO_STORE, "referrer-policy": "no-referrer"})


def _form_post(response: AuthorizationResponse) -> Response:
    """Return a page that posts the answer to the client; its policy allows that one script and target."""
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in response.parameters
    )
    parts = urlsplit(response.redirect_uri)
    policy = (
        f"default-src 'none'; script-src 'sha256-{SUBMIT_HASH}'; form-action {parts.scheme}://{parts.netloc}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    body = (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>正在返回应用</title>'
        f'<form method="post" action="{escape(response.redirect_uri)}">{fields}'
        f"<noscript><button>继续 Continue</button></noscript></form><script>{SUBMIT}</script></html>"
    )
    return HTMLResponse(body, headers={**NO_STORE, "content-security-policy": policy, "referrer-policy": "no-referrer"})
