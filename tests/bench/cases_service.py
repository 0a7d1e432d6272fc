"""The main operations over HTTP against one API process; CPU and memory are the service's, not the caller's.

The floor is the same request answered without doing anything.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.bench.case import Bench, Case
from tests.bench.service import Department, department, service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.case import Operation

FLOOR = "service: healthz (floor)"


@asynccontextmanager
async def _called(bench: Bench) -> AsyncIterator[Department]:
    # On a thread, because starting runs event loops of its own.
    whole = service(bench.directory)
    running = await asyncio.to_thread(whole.__enter__)
    try:
        bench.watch(running.children["service"].guard.pid, instead=True)
        async with department(running) as system:
            yield system
    finally:
        await asyncio.to_thread(whole.__exit__, None, None, None)


@asynccontextmanager
async def healthz(bench: Bench) -> AsyncIterator[Operation]:
    """Answer a request that asks for nothing."""
    async with _called(bench) as system:

        async def operation() -> int:
            (await system.http.get("/healthz")).raise_for_status()
            return 1

        yield operation


@asynccontextmanager
async def grant(bench: Bench) -> AsyncIterator[Operation]:
    """Grant an access token by client credentials."""
    async with _called(bench) as system:

        async def operation() -> int:
            await system.token()
            return 1

        yield operation


@asynccontextmanager
async def issue(bench: Bench) -> AsyncIterator[Operation]:
    """Issue a licence: checked, rendered, sealed, stored, logged."""
    async with _called(bench) as system:

        async def operation() -> int:
            await system.issue()
            return 1

        yield operation


@asynccontextmanager
async def verify(bench: Bench) -> AsyncIterator[Operation]:
    """Verify a licence by its identifier, with a signed receipt."""
    async with _called(bench) as system:
        identifier = (await system.issue())["identifier"]

        async def operation() -> int:
            report = await system.verify(identifier)
            assert report["verdict"] == "VALID"
            return 1

        yield operation


@asynccontextmanager
async def verify_pdf(bench: Bench) -> AsyncIterator[Operation]:
    """Verify a licence by its file, with a signed receipt."""
    async with _called(bench) as system:
        document = await system.pdf((await system.issue())["identifier"])

        async def operation() -> int:
            report = await system.verify_pdf(document)
            assert report["verdict"] == "VALID"
            return 1

        yield operation


CASES = (
    Case(FLOOR, healthz, concurrency=8),
    Case("service: client credentials", grant, against=FLOOR, concurrency=8),
    Case("service: verify by identifier", verify, against=FLOOR, concurrency=32),
    Case("service: issue a licence", issue, against=FLOOR, concurrency=4),
    Case("service: verify a PDF", verify_pdf, against=FLOOR, concurrency=4),
)
