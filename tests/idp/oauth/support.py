"""What the provider's tests share: a local signer, a person, and one walk through the code flow."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from foundation.principal import SYSTEM, Principal, PrincipalKind
from idp.oauth.clients import AuthenticationMethod, ClientRegistration, GrantType
from idp.oauth.jose import NamedAlgorithms
from idp.oauth.model import AuthorizationResponse, EndpointRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from idp.oauth.clients import ClientService, RegisteredClient
    from idp.oauth.delegation import Delegation
    from idp.oauth.grant import Grant
    from idp.oauth.model import AuthorizationOutcome, Parameters
    from idp.oauth.provider import OpenIdProvider
    from idp.ports import Statement

ISSUER = "http://localhost:8000"
REDIRECT_URI = "https://food.example.gov.cn/callback"
FOOD_BUREAU = "1150010000006301XH"
LAND_BUREAU = "11500100000063028H"
GENERATORS: dict[str, Callable[[], Any]] = {
    "ES256": lambda: ECKey.generate_key("P-256", auto_kid=True),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519", auto_kid=True),
    "PS256": lambda: RSAKey.generate_key(2048, auto_kid=True),
    "RS256": lambda: RSAKey.generate_key(2048, auto_kid=True),
}


class LocalSigner:
    """The `Signer` port over keys of this process, made when first asked for."""

    def __init__(self) -> None:
        self._keys: dict[str, Any] = {}

    def key(self, algorithm: str) -> Any:  # noqa: ANN401 - joserfc's key classes
        if algorithm not in self._keys:
            self._keys[algorithm] = GENERATORS[algorithm]()
        return self._keys[algorithm]

    def sign(self, claims: Mapping[str, Any], *, typ: str, algorithm: str | None = None) -> str:
        alg = algorithm or "ES256"
        key = self.key(alg)
        header = {"alg": alg, "typ": typ, "kid": key.kid}
        return jws.serialize_compact(header, json.dumps(dict(claims)), key, registry=NamedAlgorithms(algorithms=[alg]))

    def jwks(self) -> dict[str, Any]:
        keys = [{**key.as_dict(private=False), "alg": alg, "use": "sig"} for alg, key in self._keys.items()]
        return {"keys": keys}

    def algorithms(self) -> tuple[str, ...]:
        return tuple(GENERATORS)


@dataclass
class KnownSubjects:
    """The `Subjects` port over a fixed list of people."""

    people: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def claims(self, grant: Grant, scopes: Collection[str]) -> dict[str, Any] | None:
        stored = self.people.get(grant.account_id)
        if stored is None:
            return None
        names = {"profile": "name", "phone": "phone_number", "real_name": "verified_claims"}
        return {claim: stored[claim] for scope, claim in names.items() if scope in scopes and claim in stored}

    async def find(self, login_hint: str) -> str | None:
        return f"acc_{login_hint}" if f"acc_{login_hint}" in self.people else None


@dataclass
class KnownMandates:
    """The `MandateRegister` port over what a test writes down: delegations by agent, and those withdrawn."""

    held_by: dict[str, list[Delegation]] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    used: list[tuple[str, str]] = field(default_factory=list)

    def give(self, agent: str, delegation: Delegation) -> Delegation:
        self.held_by.setdefault(agent, []).append(delegation)
        return delegation

    async def held(self, mandate_id: str, agent_account_id: str) -> Delegation | None:
        found = [each for each in self.held_by.get(agent_account_id, ()) if each.mandate_id == mandate_id]
        return found[0] if found and mandate_id not in self.withdrawn else None

    async def between(self, subject_id: str, agent_account_id: str) -> Delegation | None:
        mine = self.held_by.get(agent_account_id, ())
        found = [each for each in mine if each.subject_id == subject_id and each.mandate_id not in self.withdrawn]
        return found[0] if found else None

    async def stands(self, mandate_id: str) -> bool:
        return mandate_id not in self.withdrawn

    async def use(self, _connection: Any, _principal: Principal, mandate_id: str, _detail: Any, kind: str) -> None:  # noqa: ANN401 - as the port
        self.used.append((mandate_id, kind))

    async def person_of(self, account_id: str) -> str | None:
        return account_id.replace("acc_", "per_")


@dataclass
class KnownVouchers:
    """The `Vouchers` port: what it was told to keep."""

    kept: list[tuple[str, Statement]] = field(default_factory=list)

    async def keep(self, account_id: str, statement: Statement, linked_at: datetime) -> None:
        assert linked_at.tzinfo is not None
        self.kept.append((account_id, statement))


def person(now: datetime, account_id: str = "acc_chenwei", *, acr: str = "L2", session_id: str = "ses_1") -> Principal:
    return Principal(
        PrincipalKind.PERSON,
        account_id,
        person_id="per_1",
        acr=acr,
        amr=("pwd", "otp"),
        auth_time=now,
        session_id=session_id,
    )


@dataclass(frozen=True)
class Pkce:
    verifier: str

    @classmethod
    def new(cls) -> Pkce:
        return cls(secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


def registration(**changes: Any) -> ClientRegistration:  # noqa: ANN401 - any field
    values: dict[str, Any] = {
        "client_name": "食品经营许可系统",
        "organisation_code": FOOD_BUREAU,
        "redirect_uris": (REDIRECT_URI,),
        "scopes": frozenset({"openid", "profile", "phone", "real_name", "offline_access"}),
        "grant_types": frozenset({GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN}),
        "pre_approved": True,
    }
    return ClientRegistration(**{**values, **changes})


def department(**changes: Any) -> ClientRegistration:  # noqa: ANN401 - any field
    return registration(
        **{
            "redirect_uris": (),
            "grant_types": frozenset({GrantType.CLIENT_CREDENTIALS}),
            "scopes": frozenset({"licence:issue", "licence:read", "verify:read"}),
            **changes,
        }
    )


async def register(clients: ClientService, asked: ClientRegistration | None = None) -> RegisteredClient:
    return await clients.register(SYSTEM, asked or registration())


def authorize_parameters(client_id: str, pkce: Pkce, **changes: str | None) -> Parameters:
    values: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT_URI,
        "scope": "openid profile",
        "state": "af0ifjsldkj",
        "nonce": "n-0S6_WzA2Mj",
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
        **changes,
    }
    return tuple((name, value) for name, value in values.items() if value is not None)


def answered(outcome: AuthorizationOutcome) -> dict[str, str]:
    assert isinstance(outcome, AuthorizationResponse), outcome
    return dict(outcome.parameters)


def basic(client_id: str, secret: str | None) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


@dataclass(frozen=True)
class Walk:
    """One client's way through the provider."""

    provider: OpenIdProvider
    client: RegisteredClient
    public: bool = False

    @classmethod
    async def begun(
        cls,
        provider: OpenIdProvider,
        clients: ClientService,
        *,
        public: bool = False,
        **changes: Any,  # noqa: ANN401 - any field of a registration
    ) -> Walk:
        """Register a client for the walk, a public one if wanted."""
        asked = registration(**(PUBLIC if public else {}), **changes)
        return cls(provider, await register(clients, asked), public)

    def asking(self, **changes: str | None) -> Parameters:
        """Return the parameters of an authorization request with a challenge of its own."""
        return authorize_parameters(self.client.client_id, Pkce.new(), **changes)

    def request(self, **parameters: str) -> EndpointRequest:
        if self.public:
            return EndpointRequest(tuple({"client_id": self.client.client_id, **parameters}.items()))
        return EndpointRequest(
            tuple(parameters.items()), authorization=basic(self.client.client_id, self.client.client_secret)
        )

    async def code(self, principal: Principal, pkce: Pkce, **changes: str | None) -> str:
        parameters = authorize_parameters(self.client.client_id, pkce, **changes)
        return answered(await self.provider.authorize(parameters, principal))["code"]

    def redemption(self, code: str, pkce: Pkce, /, **changes: str) -> EndpointRequest:
        return self.request(
            **{
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": REDIRECT_URI,
                "code_verifier": pkce.verifier,
                **changes,
            }
        )

    async def tokens(self, principal: Principal, **changes: str | None) -> dict[str, Any]:
        pkce = Pkce.new()
        return await self.redeem(await self.code(principal, pkce, **changes), pkce)

    async def redeem(self, code: str, pkce: Pkce, /, **changes: str) -> dict[str, Any]:
        return body(await self.provider.token(self.redemption(code, pkce, **changes)))

    async def refresh(self, refresh_token: str, **changes: str) -> dict[str, Any]:
        request = self.request(grant_type="refresh_token", refresh_token=refresh_token, **changes)
        return body(await self.provider.token(request))

    async def introspect(self, token: str) -> dict[str, Any]:
        return body(await self.provider.introspect(self.request(token=token)))


def body(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - EndpointResponse with a JSON body
    return dict(answer.body)


PUBLIC = {"authentication": AuthenticationMethod.NONE}
