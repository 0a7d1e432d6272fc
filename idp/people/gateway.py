"""The client of the real-name gateway, which reaches the six authorities.

Protocol: `docs/real-name-gateway.md`. Every request is signed by HMAC-SHA-256 with a
nonce and a timestamp; every answer is signed over the same nonce, so that an old answer
cannot be played back. Whatever is not a proper, signed, timely answer is `unavailable`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx2

from foundation.tls import client_context
from idp.people.breaker import CircuitBreaker
from idp.people.proof import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.clock import Clock

PATH = "/v1/verifications"
QUERY_PATH = "/v1/verifications/query"
ANSWER_BYTES = 64 * 1024
SKEW_SECONDS = 120
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 8.0
RETRY_PAUSE_SECONDS = 0.2

_ANSWERS = frozenset({Outcome.MATCH, Outcome.MISMATCH, Outcome.NOT_FOUND, Outcome.LOCKED, Outcome.PENDING})


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """What an authority said.

    `asked` is false when the request certainly never reached the authority, so that nothing
    was counted there. `failed_elements` is for the evidence and never for the caller.
    """

    outcome: Outcome
    authority: str = ""
    transaction_id: str = field(default="", repr=False)
    failed_elements: tuple[str, ...] = field(default=(), repr=False)
    asked: bool = True
    reason: str = ""


class _BadAnswer(Exception):
    """The answer is unsigned, stale, of another request, or not understood."""


def request_signature(key: bytes, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    """Return the signature of a request: path, timestamp, nonce and body digest, one a line."""
    return _mac(key, "POST", path, timestamp, nonce, hashlib.sha256(body).hexdigest())


def answer_signature(key: bytes, request_nonce: str, timestamp: str, body: bytes) -> str:
    """Return the signature of an answer, bound to the nonce of its request."""
    return _mac(key, "ANSWER", request_nonce, timestamp, hashlib.sha256(body).hexdigest())


def _mac(key: bytes, *lines: str) -> str:
    return base64.b64encode(hmac.digest(key, "\n".join(lines).encode(), "sha256")).decode()


class RealNameGateway:
    """Asks authorities, one circuit breaker a method."""

    def __init__(self, base_url: str, key: bytes, clock: Clock, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        """Open nothing yet. An empty address or key means that no authority can be asked."""
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._clock = clock
        self._breakers: defaultdict[str, CircuitBreaker] = defaultdict(CircuitBreaker)
        self._client = httpx2.AsyncClient(
            verify=client_context(),
            timeout=httpx2.Timeout(answer_seconds, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=32, max_keepalive_connections=8),
            follow_redirects=False,
            trust_env=False,
        )

    async def verify(
        self, method: str, request_id: str, elements: Mapping[str, str], *, repeatable: bool
    ) -> GatewayAnswer:
        """Ask whether the elements belong together.

        Args:
            method: picks the authority.
            request_id: ours; the gateway answers the same to the same id.
            elements: normalised.
            repeatable: whether a request that was sent may be sent again. One that never left may always.
        """
        body = {"request_id": request_id, "method": str(method), "elements": dict(elements)}
        return await self._ask(method, PATH, body, request_id, repeatable=repeatable)

    async def query(self, method: str, request_id: str, transaction_id: str) -> GatewayAnswer:
        """Ask what became of a pending transaction."""
        body = {"request_id": request_id, "method": str(method), "transaction_id": transaction_id}
        return await self._ask(method, QUERY_PATH, body, request_id, repeatable=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(
        self, method: str, path: str, message: Mapping[str, Any], request_id: str, *, repeatable: bool
    ) -> GatewayAnswer:
        if not self._base_url or not self._key:
            return GatewayAnswer(Outcome.UNAVAILABLE, asked=False, reason="no gateway is configured")
        breaker = self._breakers[str(method)]
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        sent = False
        for attempt in range(2):
            if not breaker.allows():
                return GatewayAnswer(Outcome.UNAVAILABLE, asked=sent, reason="circuit open")
            try:
                answer = await self._exchange(path, body, request_id)
            except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
                reason = type(error).__name__
            except (httpx2.HTTPError, httpx2.InvalidURL, _BadAnswer) as error:
                sent, reason = True, str(error) if isinstance(error, _BadAnswer) else type(error).__name__
            except BaseException:
                breaker.abandoned()
                raise
            else:
                breaker.succeeded()
                return answer
            breaker.failed()
            if attempt or (sent and not repeatable):
                break
            await asyncio.sleep(RETRY_PAUSE_SECONDS)
        return GatewayAnswer(Outcome.UNAVAILABLE, asked=sent, reason=reason)

    async def _exchange(self, path: str, body: bytes, request_id: str) -> GatewayAnswer:
        nonce = secrets.token_urlsafe(18)
        timestamp = self._clock.now().isoformat(timespec="seconds")
        headers = {
            "Content-Type": "application/json",
            "Hufu-Timestamp": timestamp,
            "Hufu-Nonce": nonce,
            "Hufu-Signature": request_signature(self._key, path, timestamp, nonce, body),
        }
        async with self._client.stream("POST", self._base_url + path, content=body, headers=headers) as response:
            content = await _bounded(response)
        if response.status_code != httpx2.codes.OK:
            raise _BadAnswer(f"status {response.status_code}")
        self._check_signature(response.headers, nonce, content)
        return _read(content, request_id)

    def _check_signature(self, headers: httpx2.Headers, nonce: str, content: bytes) -> None:
        timestamp = headers.get("Gateway-Timestamp", "")
        expected = answer_signature(self._key, nonce, timestamp, content)
        if not hmac.compare_digest(expected.encode(), headers.get("Gateway-Signature", "").encode()):
            raise _BadAnswer("bad signature")
        try:
            age = abs((self._clock.now() - datetime.fromisoformat(timestamp)).total_seconds())
        except (ValueError, TypeError):
            raise _BadAnswer("bad timestamp") from None
        if age > SKEW_SECONDS:
            raise _BadAnswer("stale answer")


async def _bounded(response: httpx2.Response) -> bytes:
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > ANSWER_BYTES:
            raise _BadAnswer("answer too large")
    return content


def _read(content: bytes, request_id: str) -> GatewayAnswer:
    """Return the answer in a signed body; anything unexpected is a bad answer."""
    try:
        message = json.loads(content)
        outcome = Outcome(message["outcome"])
        fields = (message["request_id"], message["transaction_id"], message["authority"])
        failed = tuple(str(name) for name in message.get("failed_elements", ()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _BadAnswer("answer not understood") from None
    if outcome not in _ANSWERS or not all(isinstance(item, str) and item for item in fields):
        raise _BadAnswer("answer not understood")
    if fields[0] != request_id:
        raise _BadAnswer("answer to another request")
    return GatewayAnswer(outcome, authority=fields[2], transaction_id=fields[1], failed_elements=failed)
