"""What the FAPI plans share: a client, a code, an expected refusal, and two ways to break a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from idp.oauth import (
    grant,
    pushed,
)
from idp.oauth.errors import OAuthError
from idp.oauth.model import EndpointResponse
from tests.conformance.broken import always, always_async, patched
from tests.idp.oauth.fapi_support import FapiClient
from tests.idp.oauth.support import ISSUER, REDIRECT_URI, Pkce

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.conformance.op import Op

URL = f"{ISSUER}/oauth/token"
USERINFO = f"{ISSUER}/oauth/userinfo"


async def fapi(op: Op, **changes: Any) -> FapiClient:  # noqa: ANN401 - any field
    return await FapiClient.make(op.provider, op.clients, op.clock, **changes)


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
