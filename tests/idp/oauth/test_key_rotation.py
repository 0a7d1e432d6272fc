"""The token key is replaced while two processes serve: no request fails, every token verifies at both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import jwt as pyjwt

from foundation.clock import SystemClock
from foundation.principal import SYSTEM
from keys.assembly import assemble
from keys.model import KeyPurpose
from keys.rotation import rotate
from tests.idp.oauth.processes import api_processes
from tests.idp.oauth.serving import OPERATOR, cipher_of, hold_ceremony, served
from tests.idp.oauth.support import Walk, department
from tests.idp.oauth.volley import Call, volley

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.settings import Settings
    from tests.idp.oauth.volley import Answer, Volley

PAUSE_SECONDS = 0.02


class Traffic:
    """Takes a token at one process and shows it to the other, in turn and all the time."""

    def __init__(self, walk: Walk, fire: Volley) -> None:
        self._walk = walk
        self._fire = fire
        self.answers: list[Answer] = []
        self.tokens: list[str] = []

    async def ask(self, process: int, path: str, **parameters: str) -> Answer:
        request = self._walk.request(**parameters)
        assert request.authorization is not None
        call = Call(path, dict(request.parameters), {"authorization": request.authorization})
        self.answers.append(await self._fire.one(call, process))
        return self.answers[-1]

    async def active(self, process: int, token: str) -> bool:
        return bool((await self.ask(process, "/oauth/introspect", token=token)).json()["active"])

    async def one(self, process: int) -> None:
        """A token of one process is active at the other at once."""
        given = await self.ask(process, "/oauth/token", grant_type="client_credentials")
        self.tokens.append(given.json()["access_token"])
        assert await self.active(1 - process, self.tokens[-1])

    async def flow(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            for process in (0, 1):
                await self.one(process)
            await asyncio.sleep(PAUSE_SECONDS)

    async def key_ids(self, process: int) -> list[str]:
        answer = await self._fire.one(Call("/oauth/jwks"), process)
        return [key["kid"] for key in answer.json()["keys"]]


def signed_by(token: str) -> str:
    return str(pyjwt.get_unverified_header(token)["kid"])


async def test_the_token_key_is_replaced_with_no_failed_request(settings: Settings, database: Database) -> None:
    clock = SystemClock()
    await hold_ceremony(settings, database, clock)
    keys = assemble(settings, database, clock, cipher_of(settings))
    async with served(settings, clock) as app:
        services = app.state.services
        walk = Walk(services.provider, await services.clients.register(SYSTEM, department()))
        with api_processes(settings, 2) as addresses:
            async with volley(addresses, 2) as fire:
                traffic, ended = Traffic(walk, fire), asyncio.Event()
                flowing = asyncio.create_task(traffic.flow(ended))
                await keys.service.load()
                made = await rotate(keys, OPERATOR, KeyPurpose.TOKEN)
                deadline = asyncio.get_running_loop().time() + 10
                while {signed_by(token) for token in traffic.tokens[-2:]} != {made.key_id}:
                    assert asyncio.get_running_loop().time() < deadline
                    assert not flowing.done()
                    await asyncio.sleep(PAUSE_SECONDS)
                ended.set()
                await flowing
                assert {answer.status for answer in traffic.answers} == {200}
                assert len({signed_by(token) for token in traffic.tokens}) == 2
                for token in (traffic.tokens[0], traffic.tokens[-1]):
                    assert [await traffic.active(process, token) for process in (0, 1)] == [True, True]
                for process in (0, 1):
                    assert {signed_by(traffic.tokens[0]), made.key_id} <= set(await traffic.key_ids(process))
    await keys.close()
