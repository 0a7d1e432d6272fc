"""Single use holds between processes: 100 parallel redemptions of one code, two API processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2

from foundation.clock import SystemClock
from foundation.principal import SYSTEM, Channel
from tests.idp.oauth.processes import api_processes
from tests.idp.oauth.serving import hold_ceremony, served
from tests.idp.oauth.support import Pkce, Walk, registration

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.settings import Settings

ATTEMPTS = 100


async def test_hundred_parallel_redemptions_give_one_success(settings: Settings, database: Database) -> None:
    clock = SystemClock()
    await hold_ceremony(settings, database, clock)
    async with served(settings, clock) as app:
        services = app.state.services
        walk = Walk(services.provider, await services.clients.register(SYSTEM, registration()))
        await services.accounts.register("chenwei", "a long password 42 !", source="s", channel=Channel.WEB)
        session = await services.sessions.sign_in("chenwei", "a long password 42 !", source="s", channel=Channel.WEB)
        pkce = Pkce.new()
        code = await walk.code(session.principal(), pkce)
        request = walk.redemption(code, pkce)
        with api_processes(settings, 2) as addresses:
            limits = httpx2.Limits(max_connections=50)
            async with httpx2.AsyncClient(timeout=60, limits=limits) as client:
                answers = await asyncio.gather(
                    *(
                        client.post(
                            f"{addresses[attempt % 2]}/oauth/token",
                            data=dict(request.parameters),
                            headers={"authorization": request.authorization or ""},
                        )
                        for attempt in range(ATTEMPTS)
                    )
                )
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(200) == 1
        assert statuses.count(400) == ATTEMPTS - 1
        assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
        won = next(answer.json() for answer in answers if answer.status_code == 200)
        assert await walk.introspect(won["access_token"]) == {"active": False}
