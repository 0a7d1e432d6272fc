"""The provider behind its real routes, over real keys, accounts and sessions; also as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from api.app import build
from foundation.audit import Audit
from foundation.cache import Cache
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.directory import Directory
from foundation.encryption import FieldCipher
from foundation.notices import Notices
from foundation.settings import Settings
from hufu.commands.serve import settle
from idp.oauth.clients import ClientService
from idp.oauth.mandates import RegisteredMandates
from idp.oauth.provider import OpenIdProvider
from idp.oauth.session_end import GrantsEndWithSession
from idp.oauth.subjects import AccountSubjects
from idp.people.assembly import assemble as assemble_people
from keys.assembly import assemble as assemble_keys
from tests.support import ground

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from foundation.clock import Clock


def cipher_of(settings: Settings) -> FieldCipher:
    index_key = settings.index_key_bytes()
    assert index_key is not None
    return FieldCipher(settings.field_key_map(), index_key)


async def hold_ceremony(settings: Settings, database: Database, clock: Clock) -> None:
    """Give an empty database keys for every algorithm of tokens."""
    algorithms = ("ES256", "RS256", "EdDSA")
    await ground.hold_ceremony("tokens", settings, database, clock, cipher_of(settings), token_algorithms=algorithms)


_free: list[FastAPI] = []
"""Applications that nobody uses now: building one takes half a second, and it keeps nothing but its services."""


@asynccontextmanager
async def served(settings: Settings, clock: Clock) -> AsyncIterator[FastAPI]:
    """Yield the application with the provider's services; the key ceremony was held before."""
    database, cache, cipher, audit = (
        Database(settings.database_url, pool_size=5),
        Cache(settings.redis_url),
        cipher_of(settings),
        Audit(clock),
    )
    keys = assemble_keys(settings, database, clock, cipher)
    await keys.service.load()
    people = assemble_people(
        settings,
        database=database,
        cache=cache,
        clock=clock,
        audit=audit,
        cipher=cipher,
        notices=Notices(cipher, clock),
        directory=Directory(database),
        observers=(GrantsEndWithSession(clock),),
    )
    clients = ClientService(database, clock, audit)
    provider = OpenIdProvider(
        settings,
        database=database,
        cache=cache,
        clock=clock,
        audit=audit,
        cipher=cipher,
        signer=keys.tokens,
        clients=clients,
        subjects=AccountSubjects(people.accounts, people.officers),
        mandates=RegisteredMandates(database, cipher, people.mandates),
        vouchers=people.vouching,
    )
    app = _free.pop() if _free else build()
    app.state.services = SimpleNamespace(
        settings=settings,
        clock=clock,
        database=database,
        cache=cache,
        provider=provider,
        clients=clients,
        access_tokens=provider.access_tokens,
        accounts=people.accounts,
        sessions=people.sessions,
        people=people,
        keys=keys.service,
    )
    try:
        yield app
    finally:
        del app.state.services
        _free.append(app)
        await provider.close()
        await people.close()
        await keys.close()
        await cache.close()
        await database.close()


async def _main() -> None:
    """Serve on the socket handed over, until the parent closes our standard input."""
    handed = json.loads(os.environ["OIDC_TEST_PROCESS"])
    settings = Settings(**handed["settings"], data_directory=Path(handed["data_directory"]))
    async with served(settings, SystemClock()) as app, asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(app.state.services.keys.watch())  # as every process of the service does
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False))
        settle()
        parent = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        # As a socket and not as `fd`: that uvicorn takes for a Unix socket, without TCP_NODELAY, and each answer of two
        # writes then waits 40 ms for the client's acknowledgement.
        listener = socket.socket(fileno=handed["fd"])
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await asyncio.wait({serving, parent}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        watching.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as `hufu serve` does
        runner.run(_main())
