"""`hufu officers`: who holds which post, appointed to further ones, and gone from one."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from foundation.clock import CIVIL_TIME
from hufu.commands.terminal import operator, shown
from hufu.surroundings import surroundings
from hufu.wiring import open_application
from idp.people.account import masked_name
from idp.people.parties import Named

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from foundation.principal import Principal
    from foundation.settings import Settings
    from idp.people.officer import Officer
    from idp.people.officers import OfficerService


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    listing = acts.add_parser("list", help="show an organisation's posts, names masked")
    listing.add_argument("organisation", metavar="CODE")
    listing.add_argument("--names", action="store_true", help="whole names; the audit keeps that they were read")
    appoint = acts.add_parser("appoint", help="give an officer a further post and print its id")
    appoint.add_argument("username")
    appoint.add_argument("--name", required=True, help="the officer's, to be sure whose account it is")
    appoint.add_argument("--organisation", required=True, metavar="CODE", help="credit code")
    appoint.add_argument("--district", required=True, help="six-digit code")
    appoint.add_argument("--post", required=True, help="such as 窗口")
    appoint.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DAY", help="from now on without it")
    appoint.add_argument("--until", dest="last", type=date.fromisoformat, metavar="DAY", help="the last day")
    acts.add_parser("leave", help="end one post with its rights, sessions and tokens").add_argument("officer_id")


def run(arguments: argparse.Namespace) -> int:
    """Do one act and print what came of it."""
    with surroundings() as settings:
        return asyncio.run(_run(settings, arguments))


async def _run(settings: Settings, arguments: argparse.Namespace) -> int:
    async with open_application(settings) as application:
        for line in await act(application.people.officers, operator(), arguments):
            print(shown(line))
    return 0


async def act(officers: OfficerService, operator: Principal, arguments: argparse.Namespace) -> Sequence[str]:
    """Do one act and return the lines to print."""
    match arguments.act:
        case "appoint":
            officer = await officers.appoint(
                operator,
                Named(arguments.username, arguments.name),
                organisation_code=arguments.organisation,
                district_code=arguments.district,
                post=arguments.post,
                starts_at=_midnight(arguments.first),
                ends_at=_midnight(arguments.last and arguments.last + timedelta(days=1)),
            )
            return [officer.officer_id]
        case "leave":
            await officers.leave(operator, arguments.officer_id)
            return []
        case _:
            listed = officers.with_names if arguments.names else officers.of_organisation
            return [
                _line(one, one.name if arguments.names else masked_name(one.name))
                for one in await listed(operator, arguments.organisation)
            ]


def _line(officer: Officer, name: str) -> str:
    return "  ".join((officer.officer_id, name, officer.district_code, officer.post, _until(officer.ends_at)))


def _midnight(day: date | None) -> datetime | None:
    """Return the beginning of a day in the city."""
    return None if day is None else datetime.combine(day, time(), CIVIL_TIME)


def _until(moment: datetime | None) -> str:
    return "-" if moment is None else moment.astimezone(CIVIL_TIME).isoformat(timespec="minutes")
