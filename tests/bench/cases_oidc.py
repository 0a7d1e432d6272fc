"""OpenID Connect, ours beside npm `oidc-provider`; CPU and memory are the provider's process alone."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.bench.case import Bench, Case
from tests.bench.oidc_parties import Party, ours, peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.bench.case import Operation

    Provider = Callable[[Bench], AbstractAsyncContextManager[Party]]
    Prepare = Callable[[Party], Awaitable[Operation]]


async def _client_credentials(party: Party) -> Operation:
    token = await party.client_credentials()
    assert b'"typ":"at+jwt"' in base64.urlsafe_b64decode(token.split(".")[0] + "==").replace(b" ", b"")

    async def operation() -> int:
        await party.client_credentials()
        return 1

    return operation


async def _code_flow(party: Party) -> Operation:
    async def operation() -> int:
        assert "id_token" in await party.code_flow()
        return 1

    return operation


async def _refresh(party: Party) -> Operation:
    # Each token is used by one operation at a time: to the peer a second use is theft.
    held: asyncio.Queue[str] = asyncio.Queue()
    for _ in range(REFRESH_FAMILIES):
        held.put_nowait((await party.code_flow(public=True))["refresh_token"])

    async def operation() -> int:
        held.put_nowait(await party.refresh(await held.get()))
        return 1

    return operation


async def _introspect(party: Party) -> Operation:
    token = (await party.code_flow())["access_token"]

    async def operation() -> int:
        await party.introspect(token)
        return 1

    return operation


async def _userinfo(party: Party) -> Operation:
    token = (await party.code_flow())["access_token"]

    async def operation() -> int:
        await party.userinfo(token)
        return 1

    return operation


def _case(provider: Provider, prepare: Prepare) -> Callable[[Bench], AbstractAsyncContextManager[Operation]]:
    @asynccontextmanager
    async def make(bench: Bench) -> AsyncIterator[Operation]:
        async with provider(bench) as party:
            yield await prepare(party)

    return make


OPEN_LOOP_SECONDS = 4.0
REFRESH_FAMILIES = 32
WORK: tuple[tuple[str, Prepare, int], ...] = (
    ("client credentials", _client_credentials, 8),
    ("code flow", _code_flow, 4),
    ("refresh", _refresh, 8),
    ("introspect", _introspect, 32),
    ("userinfo", _userinfo, 8),
)
CASES = tuple(
    case
    for name, prepare, concurrency in WORK
    for case in (
        Case(
            f"oidc: {name} (oidc-provider)",
            _case(peer, prepare),
            concurrency=concurrency,
            warm_up=50,
            open_loop_seconds=OPEN_LOOP_SECONDS,
        ),
        Case(
            f"oidc: {name}",
            _case(ours, prepare),
            against=f"oidc: {name} (oidc-provider)",
            concurrency=concurrency,
            warm_up=50,
            open_loop_seconds=OPEN_LOOP_SECONDS,
        ),
    )
)
