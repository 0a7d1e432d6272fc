"""`hufu run`: start everything on this machine, seeded with a demo city; Ctrl-C stops it."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from hufu.demo_city import PORTAL_PORT
from hufu.stack import Stack, log_tail, stack

if TYPE_CHECKING:
    import argparse

PORT = 8000
EXIT_FAILURE = 70


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    # A default that is a text is read, and refused, as what is typed.
    parser.add_argument("--port", type=int, default=os.environ.get("HUFU_PORT", str(PORT)))
    parser.add_argument("--portal-port", type=int, default=os.environ.get("HUFU_PORTAL_PORT", str(PORTAL_PORT)))


class _Interrupted(Exception):
    """A signal asked us to stop while we were still starting."""


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal, or until one of the processes falls."""
    asked = threading.Event()
    starting = True

    def stop(*_: object) -> None:
        first = not asked.is_set()
        asked.set()
        if starting and first:  # the impatient second Ctrl-C must not break off the ending
            raise _Interrupted

    # Set even where a shell started us with SIGINT ignored, as it does with background jobs.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {line}", flush=True)

    say("Starting ...")
    try:
        with stack(port=arguments.port, portal_port=arguments.portal_port, say=say) as running:
            starting = False
            say("Ready.")
            _introduce(running)
            return _watch(running, asked)
    except _Interrupted:
        return 0
    finally:
        starting = False


def _introduce(running: Stack) -> None:
    lines = (
        "",
        f"  Hufu 虎符            {running.settings.issuer}",
        f"  department portal    {running.portal_url}",
        f"  short messages       {running.settings.sms_gateway_url}/messages    (a real gateway sends them to phones)",
        "",
        *(f"  {line}" for line in running.report.lines),
        "",
        f"  logs: {running.settings.data_directory / 'logs'}    stop: Ctrl-C",
        "",
    )
    print("\n".join(lines), flush=True)


def _watch(running: Stack, asked: threading.Event) -> int:
    """Wait for the signal; a fallen process ends everything."""
    while not asked.wait(0.5):
        if fallen := running.fallen():
            print(f"The {fallen} ended by itself; the end of its log:\n{log_tail(running.settings, fallen)}")
            return EXIT_FAILURE
    print("Stopping ...", flush=True)
    return 0
