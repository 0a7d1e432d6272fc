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


def main(arguments: list[str]) -> int:
    """Run `USER SIGNALS SECONDS COMMAND...`.

    USER is `uid:gid`, or `-` for our own; the environment is ours.
    SIGNALS, divided by commas, are sent one after the other, SECONDS apart, and at last
    the process is killed. What it left behind is told to end.
    """
    user, signals, patience, *command = arguments
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
        _stop(child, [signal.Signals[name] for name in signals.split(",")], float(patience))
    _end_the_rest()
    return child.returncode


def _start(command: list[str], user: str) -> subprocess.Popen[bytes]:
    if user == "-":
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - the launcher's command
    uid, gid = (int(part) for part in user.split(":"))
    return subprocess.Popen(  # noqa: S603 - the launcher's command
        command, stdin=subprocess.DEVNULL, user=uid, group=gid, extra_groups=[]
    )


def _end_the_rest() -> None:
    """End what the child started and left in our session (parsers in processes of their own)."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)


def _stop(child: subprocess.Popen[bytes], ways: list[signal.Signals], patience: float) -> None:
    for how in (*ways, signal.SIGKILL):
        child.send_signal(how)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
