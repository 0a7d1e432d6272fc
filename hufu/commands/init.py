"""`hufu init`: the key ceremony, once in a service's life."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from typing import TYPE_CHECKING

from foundation.clock import SystemClock
from foundation.database import Database
from foundation.errors import InvalidInput
from foundation.principal import Channel, Principal, PrincipalKind
from foundation.settings import Profile
from hufu.surroundings import surroundings
from hufu.wiring import field_cipher
from keys.ceremony import initialise

if TYPE_CHECKING:
    import argparse

    from foundation.settings import Settings
    from keys.ceremony import CeremonyRecord

MIN_PART = 8
ROOT_PASSPHRASE_VARIABLE = "HUFU_ROOT_PASSPHRASE"  # noqa: S105 - a variable's name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    parser.add_argument(
        "--operator",
        action="append",
        required=True,
        metavar="NAME",
        help="who takes part; twice with different names in production",
    )


def run(arguments: argparse.Namespace) -> int:
    """Hold the ceremony and print its record."""
    with surroundings() as settings:
        passphrase = _root_passphrase(settings, arguments.operator)
        record = asyncio.run(hold_ceremony(settings, tuple(arguments.operator), passphrase))
    print(record.to_json())
    print(f"The root key was exported to {record.root_export}: move it offline.", file=sys.stderr)
    return 0


async def hold_ceremony(settings: Settings, operators: tuple[str, ...], root_passphrase: str = "") -> CeremonyRecord:
    """Make all keys; raises KeystoreExists when that was done before."""
    database = Database(settings.database_url, pool_size=2)
    principals = tuple(Principal(PrincipalKind.OPERATOR, name, channel=Channel.SYSTEM) for name in operators)
    try:
        return await initialise(
            settings,
            database,
            SystemClock(),
            field_cipher(settings),
            principals,
            root_passphrase=root_passphrase,
            token_algorithms=("ES256", "RS256"),
        )
    finally:
        await database.close()


def _root_passphrase(settings: Settings, operators: list[str]) -> str:
    """Return the root's passphrase: from the environment, or in production from the terminal.

    Each operator types a part that the others do not see; the passphrase is the parts
    one after the other, so that the exported root opens only with all of them present.
    """
    given = os.environ.get(ROOT_PASSPHRASE_VARIABLE, "")
    if given or settings.profile is not Profile.PRODUCTION or not sys.stdin.isatty():
        return given
    return "".join(_part(name) for name in operators)


def _part(name: str) -> str:
    """Return one operator's part, typed twice; raises InvalidInput."""
    part = getpass.getpass(f"{name}, your part of the root's passphrase: ")
    if len(part) < MIN_PART or part != getpass.getpass(f"{name}, once more: "):
        raise InvalidInput(f"The two entries differ, or the part has fewer than {MIN_PART} characters.")
    return part
