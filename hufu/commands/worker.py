"""`hufu worker`: run queued and periodic jobs; start as many as you like."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from foundation import logs
from foundation.metrics import scraped
from hufu.commands.key_pins import warn_unpinned
from hufu.surroundings import surroundings
from hufu.wiring import open_application

if TYPE_CHECKING:
    import argparse

    from foundation.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    parser.add_argument("--once", action="store_true", help="end when nothing waits any more")


def run(arguments: argparse.Namespace) -> int:
    """Work until a signal; the running jobs end first."""
    with surroundings() as settings:
        logs.configure(settings.log_level)
        asyncio.run(work(settings, once=arguments.once))
    return 0


async def work(settings: Settings, *, once: bool) -> None:
    """Open the application and run its jobs."""
    async with open_application(settings) as application:
        await warn_unpinned(settings, application.services.database)
        worker = application.worker()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, worker.stop)
        if once:
            await worker.drain()
            return
        async with scraped(worker.metrics.registry, settings.metrics_host, settings.worker_metrics_port):
            await worker.run()
