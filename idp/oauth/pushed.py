"""Pushed authorization requests (PAR, RFC 9126): checked when they arrive, used by one authorization."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from foundation.ids import new_secret
from idp.oauth.authorization_request import check
from idp.oauth.client_authentication import CREDENTIALS
from idp.oauth.errors import AuthorizationRefused, OAuthError, RequestSpent
from idp.oauth.grant import digest
from idp.oauth.model import EndpointResponse
from idp.oauth.repository import Grants
from idp.oauth.request_object import Received, open_request
from idp.oauth.sender import SenderCheck
from idp.oauth.token_endpoint import single_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idp.oauth.client import Client
    from idp.oauth.client_authentication import ClientAuthentication
    from idp.oauth.model import EndpointRequest
    from idp.oauth.parts import Parts

PREFIX = "urn:ietf:params:oauth:request_uri:"
LIFETIME = timedelta(seconds=90)
CONTEXT = "oauth_pushed_requests.parameters"


class PushedRequests:
    """Takes authorization requests over the back channel."""

    def __init__(self, parts: Parts, authentication: ClientAuthentication) -> None:
        """Take the shared collaborators."""
        self._parts = parts
        self._authentication = authentication
        self._sender = SenderCheck(parts)

    async def push(self, request: EndpointRequest) -> EndpointResponse:
        """Check and keep a request; raises OAuthError in the form of the token endpoint."""
        given = single_parameters(request)
        client = await self._authentication.authenticate(request, given)
        if "request_uri" in given:
            raise OAuthError("invalid_request", "A pushed request holds no request_uri.")
        own = {name: value for name, value in given.items() if name not in CREDENTIALS}
        now, mint = self._parts.clock.now(), await self._parts.mint()
        proof = await self._sender.proof(request)
        try:
            received = open_request(
                tuple((own | {"client_id": client.client_id}).items()), client, self._parts.issuer, now
            )
            checked = check(replace(received, pushed=b""), client, mint, now)
        except AuthorizationRefused as refused:
            raise OAuthError(refused.error, refused.description) from refused
        if proof is not None and checked.dpop_jkt not in {None, proof.jkt}:
            raise OAuthError("invalid_dpop_proof", "The dpop_jkt differs from the proof.")
        secret = new_secret()
        stored = _stored(received, client, proof.jkt if proof else checked.dpop_jkt)
        async with self._parts.database.transaction() as connection:
            sealed = self._parts.cipher.encrypt_bytes(stored, CONTEXT)
            await Grants(connection).push(digest(secret), client.client_id, sealed, now + LIFETIME)
        return EndpointResponse({"request_uri": PREFIX + secret, "expires_in": LIFETIME.seconds}, status=201)

    async def fetch(self, client: Client, request_uri: str) -> Received:
        """Return a pushed request for its client, unless it is spent; raises AuthorizationRefused."""
        if not request_uri.startswith(PREFIX):
            raise AuthorizationRefused("request_uri_not_supported", "Only pushed requests have a request_uri here.")
        key = digest(request_uri.removeprefix(PREFIX))
        async with self._parts.database.read() as connection:
            sealed = await Grants(connection).pushed(key, client.client_id, self._parts.clock.now())
        if sealed is None:
            raise RequestSpent("invalid_request_uri", "The request_uri is unknown, expired or used.")
        stored: Mapping[str, Any] = json.loads(self._parts.cipher.decrypt_bytes(sealed, CONTEXT))
        parameters = tuple((name, value) for name, value in stored["parameters"])
        return Received(parameters, stored["signed"], key, stored["jkt"])


def _stored(received: Received, client: Client, jkt: str | None) -> bytes:
    parameters = [pair for pair in received.parameters if pair[0] != "client_id"]
    parameters.append(("client_id", client.client_id))
    return json.dumps({"parameters": parameters, "signed": received.signed, "jkt": jkt}).encode()
