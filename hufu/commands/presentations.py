"""`hufu presentations`: whose credentials are trusted, and who may ask a wallet for what."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.audit import Audit
from foundation.clock import SystemClock
from foundation.database import Database
from hufu.commands.terminal import operator, shown
from hufu.surroundings import surroundings
from verification.presentation.dcql import read_pointer
from verification.presentation.register import IssuerEntry, Permission, PresentationRegister

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from foundation.principal import Principal
    from verification.presentation.dcql import Pointer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    acts.add_parser("list", help="show trusted issuers and permissions in force")
    trust = acts.add_parser("trust", help="trust an issuer for named credential types")
    trust.add_argument("name")
    trust.add_argument("--type", action="append", required=True, dest="types", metavar="VCT")
    trust.add_argument("--issuer", default="", metavar="ISS", help="the `iss` of its credentials")
    trust.add_argument("--jwks", type=Path, metavar="FILE", help="its public keys")
    trust.add_argument("--anchors", type=Path, metavar="PEM", help="certificates (and revocation lists) it signs under")
    trust.add_argument("--organisation", default="", metavar="CODE", help="credit code its certificate must name")
    trust.add_argument("--without-status", action="store_true", help="it publishes no status lists")
    allow = acts.add_parser("allow", help="let a system, or an organisation's officers, ask for claims of one type")
    allow.add_argument("organisation", metavar="CODE", help="credit code")
    allow.add_argument("type", metavar="VCT")
    allow.add_argument("--title", required=True, help="what the window calls the credential")
    allow.add_argument("--client", default="", metavar="ID", help="one system; without it the officers")
    allow.add_argument("--claim", action="append", required=True, metavar="PATH", help="a claim's name, or a JSON path")
    allow.add_argument("--return-uri", action="append", default=[], metavar="URI")
    acts.add_parser("withdraw", help="take an issuer or a permission back").add_argument("entry_id")


def run(arguments: argparse.Namespace) -> int:
    """Do one act and print what came of it."""
    with surroundings() as settings:
        return asyncio.run(_run(settings.database_url, arguments))


async def _run(database_url: str, arguments: argparse.Namespace) -> int:
    database, clock = Database(database_url, pool_size=1), SystemClock()
    try:
        for line in await act(PresentationRegister(database, clock, Audit(clock)), operator(), arguments):
            print(shown(line))
    finally:
        await database.close()
    return 0


async def act(register: PresentationRegister, operator: Principal, arguments: argparse.Namespace) -> Sequence[str]:
    """Do one act and return the lines to print."""
    match arguments.act:
        case "trust":
            return [await register.trust(operator, await asyncio.to_thread(_entry, arguments))]
        case "allow":
            wanted = Permission(
                arguments.organisation,
                arguments.client,
                arguments.type,
                arguments.title,
                tuple(_pointer(text) for text in arguments.claim),
                tuple(arguments.return_uri),
            )
            return [await register.allow(operator, wanted)]
        case "withdraw":
            await register.withdraw(operator, arguments.entry_id)
            return []
        case _:
            return await _listed(register)


def _pointer(text: str) -> Pointer:
    """Read a claim's name, or a claims path pointer as JSON."""
    return read_pointer(json.loads(text) if text.startswith("[") else [text], "claim")


def _entry(arguments: argparse.Namespace) -> IssuerEntry:
    jwks, anchors = arguments.jwks, arguments.anchors
    return IssuerEntry(
        arguments.name,
        tuple(arguments.types),
        arguments.issuer,
        arguments.organisation,
        None if jwks is None else json.loads(jwks.read_text()),
        None if anchors is None else anchors.read_text(),
        not arguments.without_status,
    )


async def _listed(register: PresentationRegister) -> list[str]:
    trusted = [
        f"{item.issuer_id}  {item.kind}  {item.name}  {item.issuer or item.organisation_code or '-'}  "
        f"{' '.join(sorted(item.vct_values))}"
        for item in await register.issuers()
    ]
    allowed = [
        f"{item.permission_id}  {item.organisation_code}  {item.client_id or 'officers'}  {item.vct}  "
        f"{' '.join(json.dumps(pointer, ensure_ascii=False) for pointer in item.claims)}"
        for item in await register.permissions()
    ]
    return trusted + allowed
