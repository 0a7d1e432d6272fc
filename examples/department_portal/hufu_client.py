"""The department's calls to Hufu's JSON API, with a token of its own (client credentials)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from examples.department_portal.config import Config

SCOPES = "licence:issue licence:read verify:read"
SECONDS = 30.0
SPARE_SECONDS = 30
UNAUTHORIZED = 401


class HufuRefused(Exception):
    """Hufu answered with a problem document (RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        """Keep the document."""
        super().__init__(problem.get("title", ""))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.errors: list[dict[str, str]] = problem.get("errors") or []


class HufuAway(Exception):
    """Hufu did not answer."""


@dataclass(slots=True)
class _Token:
    value: str = field(default="", repr=False)
    until: float = 0.0


class HufuClient:
    """Issues licences and verifies identifiers."""

    def __init__(self, config: Config, http: httpx2.AsyncClient | None = None) -> None:
        """Take the configuration; the connection pool lives as long as the client."""
        self._config = config
        self._http = http or httpx2.AsyncClient(
            base_url=config.hufu, timeout=SECONDS, headers={"accept-language": "zh"}
        )
        self._token = _Token()

    async def issue(self, body: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """Issue a licence; the same key never issues twice."""
        headers = {"idempotency-key": idempotency_key}
        return await self._post("/api/v1/licences", json=body, headers=headers)

    async def verify(self, identifier: str) -> dict[str, Any]:
        """Return the verdict on an identifier."""
        return await self._post("/api/v1/verifications/identifier", json={"identifier": identifier})

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _post(self, path: str, *, json: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        for attempt in (1, 2):
            authorization = {"authorization": f"Bearer {await self._access_token(renew=attempt > 1)}"}
            answer = await self._send(path, json=json, headers={**(headers or {}), **authorization})
            if answer.status_code != UNAUTHORIZED:
                break
        return _body(answer)

    async def _access_token(self, *, renew: bool) -> str:
        if renew or self._token.until < time.monotonic():
            answer = await self._send(
                "/oauth/token",
                data={"grant_type": "client_credentials", "scope": SCOPES},
                auth=(self._config.client_id, self._config.client_secret),
            )
            found = _body(answer)
            self._token = _Token(found["access_token"], time.monotonic() + found["expires_in"] - SPARE_SECONDS)
        return self._token.value

    async def _send(self, path: str, **options: Any) -> httpx2.Response:  # noqa: ANN401 - the client's own options
        try:
            return await self._http.post(path, **options)
        except httpx2.HTTPError as error:
            raise HufuAway from error


def _body(answer: httpx2.Response) -> dict[str, Any]:
    try:
        found: dict[str, Any] = answer.json()
    except ValueError as error:
        raise HufuAway from error
    if answer.is_success:
        return found
    if "error" in found:
        found = {"title": "Hufu 拒绝了本系统的凭据", "detail": found.get("error_description", found["error"])}
    raise HufuRefused(found)
