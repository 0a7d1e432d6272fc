"""What clients do all day, over two processes in turn; every answer is kept, and every token is verified."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt as pyjwt

from foundation.jobs import Worker
from foundation.principal import Channel
from idp.people.session import Arrival
from tests.idp.oauth.support import ISSUER, REDIRECT_URI, Pkce, authorize_parameters
from tests.idp.oauth.volley import Answer, Call

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.settings import Settings
    from idp.oauth.model import EndpointRequest
    from tests.idp.oauth.fapi_support import FapiClient
    from tests.idp.oauth.logout_receiver import LogoutReceiver
    from tests.idp.oauth.support import Walk
    from tests.idp.oauth.volley import Volley

SIGNED = {
    "userinfo_signed_response_alg": "ES256",
    "introspection_signed_response_alg": "ES256",
    "authorization_signed_response_alg": "ES256",
}


class Journey(Protocol):
    """One thing a client does, begun at either process."""

    async def once(self, process: int) -> None:
        """Do it; raises AssertionError when any request fails."""


@dataclass
class KeyCopy:
    """A relying party's copy of our key set: read again for a key it has not seen, or never."""

    fire: Volley
    reads_again: bool = True
    keys: dict[str, Any] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, process: int = 0) -> None:
        async with self.reading:  # one connection carries one request at a time
            answer = await self.fire.one(Call("/oauth/jwks"), process)
        assert answer.status == 200
        self.keys = {key["kid"]: pyjwt.PyJWK(key) for key in answer.json()["keys"]}

    async def claims(self, token: str, audience: str | None) -> dict[str, Any]:
        kid = pyjwt.get_unverified_header(token)["kid"]
        if kid not in self.keys and self.reads_again:
            await self.read()
        self.seen.append(kid)
        found: dict[str, Any] = pyjwt.decode(
            token,
            self.keys[kid],
            algorithms=["ES256"],
            audience=audience,
            issuer=ISSUER,
            options={"verify_aud": audience is not None},
            leeway=5,
        )
        return found


async def good(fire: Volley, call: Call, process: int, status: int = 200) -> Answer:
    answer = await fire.one(call, process)
    assert answer.status == status, (call.path, answer.status, answer.body)
    return answer


async def authorized(fire: Volley, parameters: dict[str, str], cookie: str, process: int) -> dict[str, str]:
    """Return what the browser brings back to the client."""
    path = "/oauth/authorize?" + urlencode(parameters)
    answer = await good(fire, Call(path, headers={"cookie": cookie}), process, 303)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.location).query).items()}


async def posted(fire: Volley, process: int, path: str, request: EndpointRequest) -> dict[str, Any]:
    headers = {"authorization": request.authorization or ""}
    return (await good(fire, Call(path, dict(request.parameters), headers), process)).json()


@dataclass
class OwnName:
    """A client's token in its own name, taken at one process and active at the other at once."""

    fire: Volley
    walk: Walk
    copy: KeyCopy
    tokens: list[str] = field(default_factory=list)

    async def once(self, process: int) -> None:
        given = await posted(self.fire, process, "/oauth/token", self.walk.request(grant_type="client_credentials"))
        self.tokens.append(given["access_token"])
        assert (await self.copy.claims(self.tokens[-1], None))["client_id"] == self.walk.client.client_id
        await self.active(1 - process, self.tokens[-1])

    async def active(self, process: int, token: str) -> None:
        assert (await posted(self.fire, process, "/oauth/introspect", self.walk.request(token=token)))["active"] is True


@dataclass
class CodeFlow:
    """Sign-in with a signed answer, refresh, signed userinfo and signed introspection of one client with a secret."""

    fire: Volley
    walk: Walk
    cookie: str
    copy: KeyCopy
    kept: list[str] = field(default_factory=list)

    async def once(self, process: int) -> None:
        other, client_id, pkce = 1 - process, self.walk.client.client_id, Pkce.new()
        asked = authorize_parameters(client_id, pkce, scope="openid profile offline_access", response_mode="jwt")
        told = await authorized(self.fire, dict(asked), self.cookie, process)
        code = (await self.copy.claims(told["response"], client_id))["code"]
        first = await posted(self.fire, other, "/oauth/token", self.walk.redemption(code, pkce))
        assert (await self.copy.claims(first["id_token"], client_id))["nonce"] == "n-0S6_WzA2Mj"
        second = await self.refreshed(process, first["refresh_token"])
        self.kept.append(second["refresh_token"])
        bearer = {"authorization": f"Bearer {second['access_token']}"}
        userinfo = await good(self.fire, Call("/oauth/userinfo", headers=bearer), other)
        assert (await self.copy.claims(userinfo.body.decode(), client_id))["sub"]
        request = self.walk.request(token=first["access_token"])
        accept = {"accept": "application/token-introspection+jwt", "authorization": request.authorization or ""}
        found = await good(self.fire, Call("/oauth/introspect", dict(request.parameters), accept), process)
        claims = await self.copy.claims(found.body.decode(), client_id)
        assert claims["token_introspection"]["active"] is True

    async def refreshed(self, process: int, refresh_token: str) -> dict[str, Any]:
        request = self.walk.request(grant_type="refresh_token", refresh_token=refresh_token)
        tokens = await posted(self.fire, process, "/oauth/token", request)
        await self.copy.claims(tokens["id_token"], self.walk.client.client_id)
        return tokens


@dataclass
class FapiFlow:
    """Pushed request, private_key_jwt and DPoP with the server's nonce."""

    fire: Volley
    client: FapiClient
    cookie: str
    copy: KeyCopy

    async def learn_nonce(self) -> None:
        call = self._call("/oauth/par", {"client_id": self.client.client.client_id})
        self.client.nonce = (await self.fire.one(call)).headers["dpop-nonce"]

    async def once(self, process: int) -> None:
        other, client_id, pkce = 1 - process, self.client.client.client_id, Pkce.new()
        asked = dict(self.client.parameters(pkce))
        pushed = (await good(self.fire, self._call("/oauth/par", asked), process, 201)).json()["request_uri"]
        told = await authorized(self.fire, {"client_id": client_id, "request_uri": pushed}, self.cookie, other)
        assert told["iss"] == ISSUER
        given = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": REDIRECT_URI}
        redemption = self._call("/oauth/token", {**given, "code_verifier": pkce.verifier})
        tokens = (await good(self.fire, redemption, process)).json()
        claims = await self.copy.claims(tokens["id_token"], client_id)
        proof = self.client.proof(f"{ISSUER}/oauth/userinfo", "GET", token=tokens["access_token"])
        headers = {"authorization": f"DPoP {tokens['access_token']}", "dpop": proof}
        userinfo = await good(self.fire, Call("/oauth/userinfo", headers=headers), other)
        assert userinfo.json()["sub"] == claims["sub"]

    def _call(self, path: str, parameters: dict[str, str]) -> Call:
        request = self.client.request(path, parameters)
        return Call(path, dict(request.parameters), {"dpop": request.dpop[0]})


@dataclass
class LogoutFlow:
    """A session of its own that ends: the client is told by a logout token the worker signs."""

    services: Any
    database: Database
    settings: Settings
    walk: Walk
    receiver: LogoutReceiver
    account_id: str
    copy: KeyCopy

    async def once(self, process: int) -> None:
        assert process in {0, 1}
        session = await self.services.sessions.open_by(self.account_id, ("pwd",), Arrival("s", Channel.WEB))
        tokens = await self.walk.tokens(session.principal())
        sid = (await self.copy.claims(tokens["id_token"], self.walk.client.client_id))["sid"]
        told = len(self.receiver.bodies)
        await self.services.sessions.sign_out(session.principal())
        await Worker(self.database, self.settings.database_url, self.services.provider.job_handlers()).drain()
        (body,) = self.receiver.bodies[told:]
        claims = await self.copy.claims(parse_qs(body)["logout_token"][0], self.walk.client.client_id)
        assert claims["sid"] == sid
