"""Who types a command, and how what it prints reaches the screen."""

from __future__ import annotations

import os
import pwd

from foundation.principal import Channel, Principal, PrincipalKind


def operator() -> Principal:
    """Return who runs the command, as the audit names them: `shell:` and the account of the process.

    The account is the kernel's word; the environment's is whatever the caller sets.
    """
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        # A container may run as a number that nobody named.
        name = str(number)
    return Principal(PrincipalKind.OPERATOR, f"shell:{name}", channel=Channel.SYSTEM)


def shown(line: str) -> str:
    """Return a line fit for a terminal: names come from strangers, and nothing in them may steer it."""
    return "".join(character if character.isprintable() else "?" for character in line)
