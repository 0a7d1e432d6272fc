"""The provider under test and the modules that judge it.

A module is an async function named after a module of the OpenID Foundation's conformance suite.
It gets the provider sound and must pass, and gets it broken in the way named beside it and must
fail: a module that cannot notice anything proves nothing. Both hold in every variant of the plan
that the module applies to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest

from foundation.errors import TrustServiceError
from idp.oauth.errors import AuthorizationRefused
from tests.idp.oauth.fapi_support import PLAIN, Variant
from tests.idp.oauth.support import ISSUER, Pkce, Walk, answered, authorize_parameters, body, register, registration

if TYPE_CHECKING:
    import httpx2

    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.model import AuthorizationOutcome
    from idp.oauth.provider import OpenIdProvider
    from tests.conformance.notifications import Notifications

Break = Callable[[pytest.MonkeyPatch], None]
Run = Callable[["Op"], Awaitable[None]]
# What a broken provider may make a module end with: a failed assertion, an expected refusal that
# did not come, a missing member, a token that does not verify, or a refusal that should not come.
NOTICED: tuple[type[BaseException], ...] = (
    AssertionError,
    pytest.fail.Exception,
    KeyError,
    pyjwt.PyJWTError,
    TrustServiceError,
)


# Longer than anything a module leaves waiting, so that the next variant meets none of it.
BETWEEN_VARIANTS = timedelta(minutes=10)


@dataclass(frozen=True)
class Module:
    """One module: its name in the suite, what it does, how its provider is broken, and its variants."""

    name: str
    run: Run
    broken: Break
    variants: tuple[Variant, ...] = (PLAIN,)

    async def passes(self, op: Op) -> None:
        """Run against the sound provider."""
        for variant in self.variants:
            op.begin(variant)
            try:
                await self.run(op)
            except NOTICED as error:
                error.add_note(f"in the variant {variant}")
                raise

    async def notices(self, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
        """Break the provider, and fail unless the module notices in every variant."""
        self.broken(monkeypatch)
        for variant in self.variants:
            op.begin(variant)
            try:
                await self.run(op)
            except NOTICED:
                continue
            pytest.fail(f"The module notices nothing in the variant {variant}.")


class Plan:
    """The modules of one test plan, and the variants it is run in."""

    def __init__(self, title: str, variants: tuple[Variant, ...] = (PLAIN,)) -> None:
        self.title = title
        self.variants = variants
        self.modules: list[Module] = []

    def module(
        self, name: str, *, broken: Break, only: Callable[[Variant], bool] = lambda _: True
    ) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            self.modules.append(Module(name, run, broken, tuple(filter(only, self.variants))))
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
    notifications: Notifications
    variant: Variant = field(default=PLAIN)

    def begin(self, variant: Variant) -> None:
        """Go on with another variant, when nothing of the one before waits any more."""
        if variant != self.variant:
            self.clock.advance(BETWEEN_VARIANTS)
        self.variant = variant
        self.notifications.clear()

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
        claims = self._signed(token, walk, algorithm, ["iss", "sub", "aud", "exp", "iat"])
        now = self.clock.now().timestamp()
        assert claims["iat"] <= now < claims["exp"]
        assert 0 < len(claims["sub"]) <= 255
        return claims

    def verified_answer(self, token: str, walk: Walk) -> dict[str, Any]:
        """Return the parameters of a signed authorization answer (JARM, section 2.4)."""
        claims = self._signed(token, walk, "ES256", ["iss", "aud", "exp"])
        assert self.clock.now().timestamp() < claims["exp"]
        return claims

    def _signed(self, token: str, walk: Walk | None, algorithm: str, required: list[str]) -> dict[str, Any]:
        header = pyjwt.get_unverified_header(token)
        assert header["alg"] == algorithm
        key = next((key for key in self.provider.jwks()["keys"] if key["kid"] == header["kid"]), None)
        assert key is not None, "the key of the token is not published"
        claims: dict[str, Any] = pyjwt.decode(
            token,
            pyjwt.PyJWK(key, algorithm=algorithm),
            algorithms=[algorithm],
            audience=(walk or self.walk).client.client_id,
            issuer=ISSUER,
            options={"verify_exp": False, "verify_iat": False, "require": required},
        )
        return claims

    async def userinfo(self, token: str) -> dict[str, Any]:
        return body(await self.provider.userinfo(token))
