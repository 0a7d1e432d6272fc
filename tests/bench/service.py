"""A whole running service and a department's system that calls it, for measurements over HTTP."""

from __future__ import annotations

import json
import secrets
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from hufu import demo_city
from hufu.demo.order import food_licence
from hufu.launcher_place import free_port
from hufu.stack import stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from hufu.stack import Stack

SCOPES = "licence:issue licence:read licence:status verify:read"
FOOD_LICENCE = "食品经营许可证"


@contextmanager
def service(directory: Path) -> Iterator[Stack]:
    """Run everything in a directory."""
    directory.chmod(0o711)
    with stack(port=free_port(), portal_port=free_port(), data_directory=directory / "data") as running:
        yield running


@dataclass(slots=True)
class Department:
    """The food bureau's system."""

    http: httpx2.AsyncClient
    client: tuple[str, str]
    headers: dict[str, str]
    type_code: str

    async def token(self) -> str:
        """Ask for an access token."""
        form = {"grant_type": "client_credentials", "scope": SCOPES}
        answer = await self.http.post("/oauth/token", data=form, auth=self.client)
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    async def issue(self) -> dict[str, Any]:
        """Issue a food business licence."""
        answer = await self.http.post(
            "/api/v1/licences",
            json=food_licence(self.type_code),
            headers=self.headers | {"idempotency-key": secrets.token_hex(16)},
        )
        answer.raise_for_status()
        licence: dict[str, Any] = answer.json()
        return licence

    async def verify(self, identifier: str) -> dict[str, Any]:
        """Verify by identifier."""
        answer = await self.http.post(
            "/api/v1/verifications/identifier", json={"identifier": identifier}, headers=self.headers
        )
        answer.raise_for_status()
        report: dict[str, Any] = answer.json()["report"]
        return report

    async def pdf(self, identifier: str) -> bytes:
        """Return a licence's file."""
        answer = await self.http.get(f"/api/v1/licences/{identifier}/pdf", headers=self.headers)
        answer.raise_for_status()
        return answer.content

    async def verify_pdf(self, document: bytes) -> dict[str, Any]:
        """Verify by file."""
        files = {"document": ("licence.pdf", document, "application/pdf")}
        answer = await self.http.post("/api/v1/verifications/pdf", files=files, headers=self.headers)
        answer.raise_for_status()
        report: dict[str, Any] = answer.json()["report"]
        return report


@asynccontextmanager
async def department(running: Stack) -> AsyncIterator[Department]:
    """Yield the department's system, signed in."""
    kept = json.loads((running.settings.data_directory / "demo.json").read_text("utf-8"))
    client_id = demo_city.PORTAL.client_id
    limits = httpx2.Limits(max_connections=64)
    base = f"http://127.0.0.1:{running.settings.port}"
    async with httpx2.AsyncClient(base_url=base, timeout=60, limits=limits) as http:
        types = (await http.get("/api/v1/licence-types")).json()["types"]
        code = next(found["code"] for found in types if found["name"] == FOOD_LICENCE)
        system = Department(http, (client_id, kept["clients"][client_id]), {}, code)
        system.headers["authorization"] = f"Bearer {await system.token()}"
        yield system
