"""What a process gives up before it reads strangers' files; the same for every package that has such processes."""

from __future__ import annotations

import ctypes
import os
import signal

UNPRIVILEGED_ID = 64_983
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_PDEATHSIG = 4, 38, 1
_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000


def give_up_privileges() -> None:
    """Leave the network, become nobody, and never come back; end with whoever started this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Without root a network namespace needs a user namespace of its own; where the system forbids
    # that as well, a child that can open no descriptor reaches no network either.
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        os.setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # After the change of user, which clears it.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.chdir("/")
