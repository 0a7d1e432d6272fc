"""Runs one server as a child and stops it when its launcher is gone.

Started as a script in a session of its own, so that Ctrl-C in a terminal reaches
the service first and its database last. The launcher holds the other end of our
standard input: when that closes, even because the launcher was killed, the server
is told to stop. Uses the standard library only and imports nothing of ours.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

PATIENCE_SECONDS = 6


def main(arguments: list[str]) -> int:
    """Run `USER SIGNAL COMMAND...`; USER is `uid:gid` or `-` for our own."""
    user, signal_name, *command = arguments
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    child = _start(command, user)
    while child.poll() is None:
        readable, _, _ = select.select([0, wake_reader], [], [])
        if wake_reader in readable and all(number == signal.SIGCHLD for number in os.read(wake_reader, 64)):
            continue
        _stop(child, signal.Signals[signal_name])
    return child.returncode


def _start(command: list[str], user: str) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    if user == "-":
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)  # noqa: S603 - the launcher's command
    uid, gid = (int(part) for part in user.split(":"))
    return subprocess.Popen(  # noqa: S603 - the launcher's command
        command, stdin=subprocess.DEVNULL, env=environment, user=uid, group=gid, extra_groups=[]
    )


def _stop(child: subprocess.Popen[bytes], how: signal.Signals) -> None:
    child.send_signal(how)
    try:
        child.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
