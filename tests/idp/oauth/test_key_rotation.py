"""The token key is replaced while two processes and a worker serve: no request fails, every token verifies."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundation.clock import SystemClock
from foundation.principal import SYSTEM, Channel
from keys.assembly import assemble
from keys.model import KeyPurpose
from keys.rotation import rotate
from keys.service import WATCH_SECONDS
from tests.idp.oauth.fapi_support import FapiClient
from tests.idp.oauth.journeys import SIGNED, CodeFlow, FapiFlow, KeyCopy, LogoutFlow, OwnName
from tests.idp.oauth.logout_receiver import LogoutReceiver
from tests.idp.oauth.processes import api_processes
from tests.idp.oauth.serving import cipher_of, hold_ceremony, served
from tests.idp.oauth.support import Walk, department, registration
from tests.idp.oauth.volley import volley
from tests.support.ground import OPERATOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.database import Database
    from foundation.settings import Settings
    from keys.assembly import Keys
    from tests.idp.oauth.journeys import Journey

PAUSE_SECONDS = 0.05
REST_SECONDS = 0.25
PASSWORD = "a long password 42 !"


@dataclass(frozen=True)
class Day:
    """Every journey over two processes, each with its own connections, and what it rests on."""

    own: OwnName
    code: CodeFlow
    fapi: FapiFlow
    logout: LogoutFlow
    copy: KeyCopy
    keys: Keys

    @property
    def journeys(self) -> tuple[Journey, ...]:
        return self.own, self.code, self.fapi, self.logout

    async def goes_on(self, ended: asyncio.Event) -> None:
        await asyncio.gather(*(self._repeated(each, ended) for each in self.journeys))

    async def _repeated(self, journey: Journey, ended: asyncio.Event) -> None:
        while not ended.is_set():
            for process in (0, 1):
                await journey.once(process)
                await asyncio.sleep(REST_SECONDS)


@asynccontextmanager
async def day(settings: Settings, database: Database) -> AsyncIterator[Day]:
    """Yield the journeys of a relying party that keeps a copy of the key set for as long as it may."""
    settings = settings.model_copy(update={"outbound_networks": ("127.0.0.0/8",)})
    clock = SystemClock()
    await hold_ceremony(settings, database, clock)
    keys = assemble(settings, database, clock, cipher_of(settings))
    await keys.service.load()
    async with AsyncExitStack() as stack:
        services: Any = (await stack.enter_async_context(served(settings, clock))).state.services
        # The process of the test is the worker: it learns of keys as every process does.
        watching = asyncio.create_task(services.keys.watch())
        stack.callback(watching.cancel)
        made = await services.accounts.register("chenwei", PASSWORD, source="s", channel=Channel.WEB)
        session = await services.sessions.sign_in("chenwei", PASSWORD, source="s", channel=Channel.WEB)
        addresses = stack.enter_context(api_processes(settings, 2))
        first, second, third, fourth = [await stack.enter_async_context(volley(addresses, 2)) for _ in range(4)]
        copy, cookie = KeyCopy(third), f"hufu-session={session.secret}"
        await copy.read()
        receiver = stack.enter_context(LogoutReceiver())
        told = registration(metadata={"backchannel_logout_uri": receiver.address})
        plain, leaving, front = [
            Walk(services.provider, await services.clients.register(SYSTEM, asked))
            for asked in (registration(metadata=SIGNED), told, department())
        ]
        fapi = FapiFlow(second, await FapiClient.make(services.provider, services.clients, clock), cookie, copy)
        await fapi.learn_nonce()
        logout = LogoutFlow(services, database, settings, leaving, receiver, made.account_id, copy)
        yield Day(OwnName(fourth, front, copy), CodeFlow(first, plain, cookie, copy), fapi, logout, copy, keys)
    await keys.close()


async def test_the_token_key_is_replaced_with_no_failed_request(settings: Settings, database: Database) -> None:
    async with day(settings, database) as today:
        # 1 at once: whoever meets a key it has not seen reads the key set again
        ended = asyncio.Event()
        going = asyncio.create_task(today.goes_on(ended))
        second = await rotate(today.keys, OPERATOR, KeyPurpose.TOKEN)
        await _until_signed_by(second.key_id, today, going)
        ended.set()
        await going
        assert len(set(today.copy.seen)) == 2
        # what was given under the old key still opens what it opened, at both processes
        for process in (0, 1):
            await today.code.refreshed(process, today.code.kept[0])
            await today.own.active(process, today.own.tokens[0])
        # 2 as the manual asks for: publish, wait for as long as copies are kept, use; a copy never read again is enough
        third = await today.keys.service.create(OPERATOR, KeyPurpose.TOKEN, "", "ES256")
        await asyncio.sleep(2 * WATCH_SECONDS)
        await today.copy.read()
        today.copy.reads_again = False
        assert set(today.copy.seen) | {third.key_id} <= today.copy.keys.keys()
        ended = asyncio.Event()
        going = asyncio.create_task(today.goes_on(ended))
        await today.keys.service.activate(OPERATOR, third.key_id)
        await _until_signed_by(third.key_id, today, going)
        ended.set()
        await going


async def _until_signed_by(key_id: str, today: Day, going: asyncio.Task[None]) -> None:
    deadline = asyncio.get_running_loop().time() + 20
    while set(today.copy.seen[-8:]) != {key_id}:
        assert asyncio.get_running_loop().time() < deadline
        assert not going.done(), going.exception()
        await asyncio.sleep(PAUSE_SECONDS)
