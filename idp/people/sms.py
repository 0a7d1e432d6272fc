"""Sending short messages through the city's SMS gateway.

`POST <base>/v1/messages` with `message_id`, `mobile`, `template` and `parameters`, signed like the
real-name gateway's requests. The gateway sends a `message_id` once, so a retry is safe.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import httpx2

from foundation.errors import UpstreamUnavailable
from foundation.tls import client_context
from idp.people.gateway import request_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.clock import Clock

PATH = "/v1/messages"
SECONDS = 5.0


class SmsGateway:
    """Hands messages to the gateway."""

    def __init__(self, base_url: str, key: bytes, clock: Clock) -> None:
        """Open nothing yet. An empty address means that no message can be sent."""
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._clock = clock
        self._client = httpx2.AsyncClient(
            verify=client_context(),
            timeout=httpx2.Timeout(SECONDS, connect=2.0),
            follow_redirects=False,
            trust_env=False,
        )

    @property
    def configured(self) -> bool:
        """Tell whether there is a gateway."""
        return bool(self._base_url and self._key)

    async def send(self, message_id: str, mobile: str, template: str, parameters: Mapping[str, str]) -> None:
        """Hand one message over; raises UpstreamUnavailable, whose text names no number."""
        if not self.configured:
            raise UpstreamUnavailable("No SMS gateway is configured.")
        message = {"message_id": message_id, "mobile": mobile, "template": template, "parameters": dict(parameters)}
        body = json.dumps(message, ensure_ascii=False).encode()
        timestamp, nonce = self._clock.now().isoformat(timespec="seconds"), secrets.token_urlsafe(18)
        headers = {
            "Content-Type": "application/json",
            "Hufu-Timestamp": timestamp,
            "Hufu-Nonce": nonce,
            "Hufu-Signature": request_signature(self._key, PATH, timestamp, nonce, body),
        }
        try:
            response = await self._client.post(self._base_url + PATH, content=body, headers=headers)
        except httpx2.HTTPError as error:
            raise UpstreamUnavailable("The SMS gateway does not answer.") from error
        if response.status_code not in {200, 202}:
            raise UpstreamUnavailable("The SMS gateway refused the message.")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
