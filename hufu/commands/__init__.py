"""The commands, each in a module of its own that is imported only when it is called.

A module offers `add_arguments(parser)` and `run(arguments) -> int`. Exit codes follow
sysexits: 64 wrong usage, 70 our own failure; a command may give others a meaning.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from foundation.errors import TrustServiceError
from foundation.settings import BadSettings
from hufu.launcher_place import CannotStart

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_USAGE = 64
EXIT_FAILURE = 70
EXIT_INTERRUPTED = 130

COMMANDS = {
    "run": "start everything on this machine, seeded with a demo city",
    "serve": "answer HTTP",
    "worker": "run queued and periodic jobs",
    "signer": "hold the seal, CA and timestamp keys in a process of their own",
    "migrate": "bring the database to the newest schema",
    "init": "hold the key ceremony",
    "keys": "list, rotate and retire keys",
    "clients": "list and register department systems",
    "presentations": "trust credential issuers and let systems ask wallets",
    "accounts": "import accounts of existing systems",
    "officers": "list posts, appoint officers to further ones, end one",
    "licences": "import licences issued elsewhere",
    "verify": "judge a sealed PDF or a code",
    "log": "audit the transparency log",
    "backup": "save and check database, files and keys",
    "demo": "play the main job step by step",
    "openapi": "write openapi.yaml from the application",
}


class Parser(argparse.ArgumentParser):
    """Exits with 64 on wrong usage."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def dispatch(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    name = arguments[0] if arguments and arguments[0] in COMMANDS else None
    parser = Parser(prog="hufu", description="Identity, seals, electronic licences and their verification.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for command, summary in COMMANDS.items():
        sentence = f"{summary[0].upper()}{summary[1:]}."
        commands.add_parser(command, help=summary, description=sentence, add_help=command == name)
    if name is None:
        parser.parse_args(arguments)
        return EXIT_USAGE
    module = import_module(f"hufu.commands.{name}")
    module.add_arguments(commands.choices[name])
    parsed = parser.parse_args(arguments)
    try:
        code: int = module.run(parsed)
    except (BadSettings, CannotStart) as error:
        print(f"hufu {name}: {error}", file=sys.stderr)
        return EXIT_FAILURE
    except TrustServiceError as error:
        print(f"hufu {name}: {error.detail or type(error).__name__}", file=sys.stderr)
        return EXIT_FAILURE
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        print(f"hufu {name}: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code
