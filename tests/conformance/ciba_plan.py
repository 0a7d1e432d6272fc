"""What the modules of FAPI-CIBA share: a hotline, its question and the person's answer."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

from idp.oauth.client import AuthenticationMethod, GrantType
from idp.oauth.client_metadata import PING, POLL
from tests.conformance.fapi_plan import fapi
from tests.conformance.notifications import Notification
from tests.idp.oauth.fapi_support import CLIENT_KEY, NOTIFICATION_TOKEN, PLAIN, Binding, Variant, signed
from tests.idp.oauth.support import ISSUER, body

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

    from tests.conformance.op import Op
    from tests.idp.oauth.fapi_support import FapiClient

VARIANTS = (
    *(
        Variant(method, Binding.MTLS, delivery)
        for method in (AuthenticationMethod.PRIVATE_KEY_JWT, AuthenticationMethod.TLS)
        for delivery in (POLL, PING)
    ),
    PLAIN,
)


def pinging(variant: Variant) -> bool:
    """Choose the variants in which the client is told."""
    return variant.pings


def certified(variant: Variant) -> bool:
    """Choose the variants a module on client certificates applies to."""
    return not variant.asserts


def signs(variant: Variant) -> bool:
    """Choose the variants of the published plan, in which every request is signed."""
    return not variant.dpop


def signed_request(client: FapiClient, key: ECKey = CLIENT_KEY, /, **changes: Any) -> str:  # noqa: ANN401 - any claim
    """Return a signed authentication request; a claim given as None is left out."""
    now, who = int(client.clock.now().timestamp()), client.client.client_id
    times = {"iat": now, "nbf": now, "exp": now + 300}
    claims = {"iss": who, "aud": ISSUER, "jti": secrets.token_urlsafe(12), **times, **changes}
    return signed({name: value for name, value in claims.items() if value is not None}, key)


async def hotline(op: Op, **changes: Any) -> FapiClient:  # noqa: ANN401 - any field
    grants = frozenset({GrantType.CIBA, GrantType.REFRESH_TOKEN})
    metadata = {"backchannel_authentication_request_signing_alg": "ES256"} if signs(op.variant) else {}
    if op.variant.pings:
        address = op.notifications.address
        metadata |= {"backchannel_token_delivery_mode": PING, "backchannel_client_notification_endpoint": address}
    return await fapi(op, redirect_uris=(), grant_types=grants, metadata=metadata, **changes)


async def ask(client: FapiClient, **changes: str | None) -> dict[str, Any]:
    given: dict[str, str | None] = {"scope": "openid profile", "login_hint": "chenwei", "binding_message": "1234"}
    if client.variant.pings:
        given["client_notification_token"] = NOTIFICATION_TOKEN
    present = {name: value for name, value in {**given, **changes}.items() if value is not None}
    if signs(client.variant):
        outside = {name: present.pop(name) for name in ("client_id",) if name in present}
        present = {**outside, "request": signed_request(client, **present)}
    return body(await client.provider.ciba(client.request("/oauth/bc-authorize", present, dpop=())))


async def collect(client: FapiClient, auth_req_id: str, **changes: str) -> dict[str, Any]:
    return body(await client.call("/oauth/token", collection(auth_req_id, **changes)))


def collection(auth_req_id: str, **changes: str) -> dict[str, str]:
    return {"grant_type": GrantType.CIBA.value, "auth_req_id": auth_req_id, **changes}


async def ping(op: Op, auth_req_id: str) -> None:
    """Do the job the answer left behind; what it raises would have it tried again."""
    request = hashlib.sha256(auth_req_id.encode()).hexdigest()
    await op.provider.job_handlers()["idp.ciba_ping"].run({"request": request})


async def answer(op: Op, request: dict[str, Any], *, approved: bool = True) -> None:
    """Answer as the person does; a client that wants to be told must be told, once and properly."""
    (question,) = await op.provider.questions(op.person)
    await op.provider.answer_question(question.question_id, op.person, approved=approved)
    if op.variant.pings:
        await ping(op, request["auth_req_id"])
        content = json.dumps({"auth_req_id": request["auth_req_id"]}).encode()
        assert op.notifications.told == [Notification("/ping", f"Bearer {NOTIFICATION_TOKEN}", content)]
    else:
        assert op.notifications.told == []
