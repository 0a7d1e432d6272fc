"""What the FAPI plans share: a client, a code, an expected refusal, and two ways to break a provider."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from idp.oauth import (
    client_authentication,
    grant,
    pushed,
)
from idp.oauth.client import AuthenticationMethod
from idp.oauth.errors import OAuthError
from idp.oauth.model import EndpointResponse
from tests.conformance.broken import always, always_async, patched
from tests.idp.oauth.fapi_support import CLIENT_KEY, Binding, FapiClient, Variant
from tests.idp.oauth.support import ISSUER, REDIRECT_URI, Pkce

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.conformance.op import Op

# The variants of the published plan that this provider offers, in the order `docs/conformance.md` numbers them.
VARIANTS = tuple(
    Variant(method, binding)
    for method in (AuthenticationMethod.PRIVATE_KEY_JWT, AuthenticationMethod.TLS)
    for binding in Binding
)
URL = f"{ISSUER}/oauth/token"
USERINFO = f"{ISSUER}/oauth/userinfo"


async def fapi(op: Op, **changes: Any) -> FapiClient:  # noqa: ANN401 - any field
    return await FapiClient.make(op.provider, op.clients, op.clock, op.variant, **changes)


def dpop_bound(variant: Variant) -> bool:
    """Choose the variants a module on DPoP proofs applies to."""
    return variant.dpop


def asserting(variant: Variant) -> bool:
    """Choose the variants a module on client assertions applies to."""
    return variant.asserts


def unproven_errors(op: Op) -> tuple[str, ...]:
    """Return what a request that shows no key for its tokens may be refused with."""
    if op.variant.dpop:
        return ("invalid_dpop_proof",)
    return ("invalid_request",) if op.variant.asserts else ("invalid_client",)


RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
BOTH_KEYS = {"keys": [key.as_dict(private=False) for key in (CLIENT_KEY, RSA)]}
ANY_ALGORITHM = patched(client_authentication, "ASSERTION_ALGORITHMS", ["ES256", "RS256"])
"""A provider that takes assertions signed by RS256."""


def rs256_assertion(op: Op, client: FapiClient) -> str:
    """Return an assertion of a client with `BOTH_KEYS` that is right in all but its algorithm."""
    who, now = client.client.client_id, int(op.clock.now().timestamp())
    claims = {"iss": who, "sub": who, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": secrets.token_urlsafe(8)}
    return jws.serialize_compact({"alg": "RS256", "kid": RSA.kid}, json.dumps(claims), RSA, ["RS256"])


async def coded(op: Op, client: FapiClient, pkce: Pkce, **changes: str | None) -> str:
    return (await client.authorize(await client.push(pkce, **changes), op.person))["code"]


def redemption(code: str, pkce: Pkce, **changes: str) -> dict[str, str]:
    given = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    return {**given, "code_verifier": pkce.verifier, **changes}


async def refused(pending: Awaitable[object], *errors: str) -> OAuthError:
    with pytest.raises(OAuthError) as refusal:
        await pending
    assert refusal.value.error in errors
    return refusal.value


ANY_KEY = patched(grant.Grant, "accepts", always(True))
"""A provider that does not look at which key a code is bound to."""
LAX_PUSH = patched(pushed.PushedRequests, "push", always_async(EndpointResponse({"request_uri": "x"}, status=201)))
"""A provider that keeps any pushed request."""
