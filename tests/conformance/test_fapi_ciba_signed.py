"""FAPI-CIBA: signed authentication requests, and what is refused of them."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
from joserfc import jws
from joserfc.jwk import ECKey

from idp.oauth import ciba_request, decoupled
from idp.oauth.ciba_request import SignedRequest
from idp.oauth.grant import digest
from idp.oauth.request_object import OWN
from tests.conformance.broken import always, patched
from tests.conformance.ciba_plan import VARIANTS, ask, certified, hotline, signed_request, signs
from tests.conformance.fapi_plan import BOTH_KEYS, RSA, refused
from tests.conformance.op import Module, Op, Plan
from tests.idp.oauth.fapi_support import CLIENT_KEY
from tests.idp.oauth.support import body

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pytest

    from idp.oauth.client import Client
    from tests.idp.oauth.fapi_support import FapiClient

SIGNED = Plan("FAPI-CIBA: signed requests", tuple(filter(signs, VARIANTS)))
MINUTE = 60
ASKED = {
    "scope": "openid profile",
    "login_hint": "chenwei",
    "binding_message": "1234",
    "client_notification_token": "t",
}


def _unverified(parameters: Mapping[str, str], _client: Client, _issuer: str, now: datetime) -> SignedRequest:
    """Believe whatever stands in a request, signed or not: how the provider is broken here."""
    claims = parameters
    if "request" in parameters:
        claims = json.loads(_decoded(parameters["request"].split(".")[1]))
    told = {name: str(value) for name, value in claims.items() if name not in OWN}
    return SignedRequest(told, digest(str(parameters)), now + timedelta(minutes=1))


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


LENIENT = patched(decoupled, "open_signed", _unverified)


async def send(client: FapiClient, token: str, **outside: str) -> dict[str, Any]:
    request = client.request("/oauth/bc-authorize", {"request": token, **outside}, dpop=())
    return body(await client.provider.ciba(request))


async def refused_request(op: Op, key: ECKey = CLIENT_KEY, /, **changes: Any) -> None:  # noqa: ANN401 - any claim
    client = await hotline(op)
    await refused(send(client, signed_request(client, key, **{**ASKED, **changes})), "invalid_request")


def later(op: Op, minutes: int) -> int:
    return int(op.clock.now().timestamp()) + minutes * MINUTE


@SIGNED.module("FAPICIBAID1EnsureRequestObjectMissingAudFails", broken=LENIENT)
async def missing_aud(op: Op) -> None:
    await refused_request(op, aud=None)


@SIGNED.module("FAPICIBAID1EnsureRequestObjectBadAudFails", broken=LENIENT)
async def bad_aud(op: Op) -> None:
    await refused_request(op, aud="https://other.example")


@SIGNED.module("FAPICIBAID1EnsureRequestObjectMissingIssFails", broken=LENIENT)
async def missing_iss(op: Op) -> None:
    await refused_request(op, iss=None)


@SIGNED.module("FAPICIBAID1EnsureRequestObjectBadIssFails", broken=LENIENT)
async def bad_iss(op: Op) -> None:
    await refused_request(op, iss="somebody")


@SIGNED.module("FAPICIBAID1EnsureRequestObjectMissingExpFails", broken=LENIENT)
async def missing_exp(op: Op) -> None:
    await refused_request(op, exp=None)


@SIGNED.module("FAPICIBAID1EnsureRequestObjectExpiredExpFails", broken=LENIENT)
async def expired(op: Op) -> None:
    await refused_request(op, exp=later(op, -5))


@SIGNED.module("FAPICIBAID1EnsureRequestObjectExpIs70MinutesInFutureFails", broken=LENIENT)
async def exp_far(op: Op) -> None:
    await refused_request(op, exp=later(op, 70))


@SIGNED.module("FAPICIBAID1EnsureRequestObjectMissingIatFails", broken=LENIENT)
async def missing_iat(op: Op) -> None:
    await refused_request(op, iat=None)


@SIGNED.module("FAPICIBAID1EnsureRequestObjectMissingNbfFails", broken=LENIENT)
async def missing_nbf(op: Op) -> None:
    await refused_request(op, nbf=None)


@SIGNED.module("FAPICIBAID1EnsureRequestObjectNbfIs10MinutesInFutureFails", broken=LENIENT)
async def nbf_future(op: Op) -> None:
    await refused_request(op, nbf=later(op, 10), exp=later(op, 15))


@SIGNED.module("FAPICIBAID1EnsureRequestObjectNbfIs70MinutesInPastFails", broken=LENIENT)
async def nbf_past(op: Op) -> None:
    await refused_request(op, nbf=later(op, -70))


@SIGNED.module("FAPICIBAID1EnsureRequestObjectMissingJtiFails", broken=LENIENT)
async def missing_jti(op: Op) -> None:
    await refused_request(op, jti=None)


@SIGNED.module("FAPICIBAID1EnsureRequestObjectSignatureAlgorithmIsNoneFails", broken=LENIENT)
async def unsigned(op: Op) -> None:
    client = await hotline(op)
    payload = signed_request(client, **ASKED).split(".")[1]
    await refused(send(client, f"eyJhbGciOiJub25lIn0.{payload}."), "invalid_request")


@SIGNED.module("FAPICIBAID1EnsureRequestObjectSignatureAlgorithmIsBadFails", broken=LENIENT)
async def bad_algorithm(op: Op) -> None:
    client = await hotline(op)
    _, payload, signature = signed_request(client, **ASKED).split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"ES999","kid":"client"}').rstrip(b"=").decode()
    await refused(send(client, f"{header}.{payload}.{signature}"), "invalid_request")


@SIGNED.module("FAPICIBAID1EnsureRequestObjectSignatureAlgorithmIsRS256Fails", broken=LENIENT)
async def rs256(op: Op) -> None:
    client = await hotline(op, jwks=BOTH_KEYS)
    claims = pyjwt.decode(signed_request(client, **ASKED), options={"verify_signature": False})
    token = jws.serialize_compact({"alg": "RS256", "kid": RSA.kid}, json.dumps(claims), RSA, ["RS256"])
    await refused(send(client, token), "invalid_request")


@SIGNED.module("FAPICIBAID1EnsureRequestObjectSignedByOtherClientFails", broken=LENIENT)
async def other_key(op: Op) -> None:
    await refused_request(op, ECKey.generate_key("P-256", {"kid": "client"}))


@SIGNED.module(
    "FAPICIBAID1EnsureDifferentClientIdAndIssuerInBackchannelAuthorizationRequest",
    only=certified,
    broken=patched(
        decoupled.Decoupled, "_client", lambda self, _, given, __: self._parts.clients.get(given["client_id"])
    ),
)
async def different_client(op: Op) -> None:
    client, other = await hotline(op), await hotline(op)
    pending = send(client, signed_request(client, **ASKED), client_id=other.client.client_id)
    await refused(pending, "invalid_client")


@SIGNED.module("FAPICIBAID1EnsureBackchannelAuthorizationRequestWithoutRequestFails", broken=LENIENT)
async def without_request(op: Op) -> None:
    client = await hotline(op)
    await refused(client.provider.ciba(client.request("/oauth/bc-authorize", ASKED, dpop=())), "invalid_request")


@SIGNED.module(
    "FAPICIBAID1 (parameters outside, replay)", broken=patched(ciba_request, "CREDENTIALS", frozenset(ASKED) | {"x"})
)
async def outside_and_replayed(op: Op) -> None:
    client = await hotline(op)
    token = signed_request(client, **ASKED)
    await refused(send(client, token, binding_message="9999"), "invalid_request")
    assert "auth_req_id" in await send(client, token)
    await refused(send(client, token), "invalid_request")


@SIGNED.module("FAPICIBAID1 (signing is advertised)", broken=patched(decoupled, "open_signed", always(None)))
async def advertised(op: Op) -> None:
    algorithms = op.provider.discovery()["backchannel_authentication_request_signing_alg_values_supported"]
    assert "ES256" in algorithms
    assert not {"none", "RS256"} & set(algorithms)
    assert "auth_req_id" in await ask(await hotline(op))


@SIGNED.parametrize()
async def test_module_passes(module: Module, op: Op) -> None:
    await module.passes(op)


@SIGNED.parametrize()
async def test_module_notices_a_broken_provider(module: Module, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    await module.notices(op, monkeypatch)
