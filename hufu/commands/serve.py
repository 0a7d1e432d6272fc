"""`hufu serve`: answer HTTP in one process; run as many as you like on one database."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from api.app import create_app
from foundation import logs
from foundation.metrics import scraped
from hufu.commands.key_pins import warn_unpinned
from hufu.surroundings import surroundings
from hufu.wiring import open_application

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from foundation.settings import Settings

GRACE_SECONDS = 2
KEEP_ALIVE_SECONDS = 30
BACKLOG = 2048
COLLECT_AFTER = (10_000, 20, 20)
"""Young objects, and young collections, before the collector comes; a request makes about a thousand objects."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    parser.add_argument("--host", help="address to listen on (HUFU_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (HUFU_PORT)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal."""
    given = {"host": arguments.host, "port": arguments.port}
    with surroundings(**{name: value for name, value in given.items() if value is not None}) as settings:
        logs.configure(settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Open the application, serve, and close it after the last request."""
    async with open_application(settings) as application:
        await warn_unpinned(settings, application.services.database)
        await application.warm()
        app = create_app(application.services)
        settle()
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        async with scraped(app.state.metrics.registry, settings.metrics_host, settings.metrics_port):
            await _Server(config).serve()


def settle() -> None:
    """Keep the collector away from what lives as long as the process, and let it come less often.

    A full collection walks every imported module: a tenth of a second in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


class _Server(uvicorn.Server):
    """Leaves by returning: uvicorn raises the signal again, which would end us before our parts are closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ask for the end on SIGINT and SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
