"""The provider under test and the modules that judge it.

A module is an async function named after a module of the OpenID Foundation's conformance suite.
It gets the provider sound and must pass, and gets it broken in the way named beside it and must
fail: a module that cannot notice anything proves nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest

from foundation.errors import TrustServiceError
from idp.oauth.errors import AuthorizationRefused
from tests.idp.oauth.support import ISSUER, Pkce, Walk, answered, authorize_parameters, body, register, registration

if TYPE_CHECKING:
    import httpx2

    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.model import AuthorizationOutcome
    from idp.oauth.provider import OpenIdProvider

Break = Callable[[pytest.MonkeyPatch], None]
Run = Callable[["Op"], Awaitable[None]]
# What a broken provider may make a module end with: a failed assertion, an expected refusal that
# did not come, a missing member, a token that does not verify, or a refusal that should not come.
NOTICED = (AssertionError, pytest.fail.Exception, KeyError, pyjwt.PyJWTError, TrustServiceError)


@dataclass(frozen=True)
class Module:
    """One module: its name in the suite, what it does, and how its provider is broken."""

    name: str
    run: Run
    broken: Break


class Plan:
    """The modules of one test plan."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.modules: list[Module] = []

    def module(self, name: str, *, broken: Break) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            self.modules.append(Module(name, run, broken))
            return run

        return add

    def parametrize(self) -> pytest.MarkDecorator:
        return pytest.mark.parametrize("module", self.modules, ids=[module.name for module in self.modules])


@dataclass
class Op:
    """The provider, a registered client, and a person who is signed in."""

    provider: OpenIdProvider
    clients: ClientService
    clock: FixedClock
    person: Principal
    http: httpx2.AsyncClient
    walk: Walk
    monkeypatch: pytest.MonkeyPatch

    async def client(self, **changes: Any) -> Walk:  # noqa: ANN401 - any field
        return Walk(self.provider, await register(self.clients, registration(**changes)))

    async def outcome(self, pkce: Pkce | None = None, /, **changes: str | None) -> AuthorizationOutcome:
        parameters = authorize_parameters(self.walk.client.client_id, pkce or Pkce.new(), **changes)
        return await self.provider.authorize(parameters, self.person)

    async def answer(self, pkce: Pkce | None = None, /, **changes: str | None) -> dict[str, str]:
        return answered(await self.outcome(pkce, **changes))

    async def refusal(self, **changes: str | None) -> AuthorizationRefused:
        with pytest.raises(AuthorizationRefused) as refused:
            await self.outcome(None, **changes)
        return refused.value

    async def refused_there(self, error: str, **changes: str | None) -> None:
        """Expect an error at the client's own address, with state and iss."""
        refused = await self.refusal(**changes)
        assert refused.response is not None
        told = dict(refused.response.parameters)
        assert told["error"] == error
        assert told["iss"] == ISSUER
        assert told.get("state") == changes.get("state", "af0ifjsldkj")

    async def refused_here(self, **changes: str | None) -> None:
        """Expect an error page: nobody is redirected."""
        assert (await self.refusal(**changes)).response is None

    def verified(self, token: str, walk: Walk | None = None, *, algorithm: str = "ES256") -> dict[str, Any]:
        """Return the claims of an ID token after the checks of OpenID Connect Core, section 3.1.3.7."""
        header = pyjwt.get_unverified_header(token)
        assert header["alg"] == algorithm
        key = next((key for key in self.provider.jwks()["keys"] if key["kid"] == header["kid"]), None)
        assert key is not None, "the key of the token is not published"
        client_id = (walk or self.walk).client.client_id
        claims: dict[str, Any] = pyjwt.decode(
            token,
            pyjwt.PyJWK(key, algorithm=algorithm),
            algorithms=[algorithm],
            audience=client_id,
            issuer=ISSUER,
            options={"verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "aud", "exp", "iat"]},
        )
        now = self.clock.now().timestamp()
        assert claims["iat"] <= now < claims["exp"]
        assert 0 < len(claims["sub"]) <= 255
        return claims

    async def userinfo(self, token: str) -> dict[str, Any]:
        return body(await self.provider.userinfo(token))
