"""`hufu clients`: list, register, renew secrets of, suspend and reinstate department systems."""

from __future__ import annotations

import asyncio
import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.audit import Audit
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.errors import InvalidInput
from foundation.principal import Channel, Principal, PrincipalKind
from hufu.surroundings import surroundings
from idp.oauth.client_metadata import CHANNELS, SIGNING_ALGORITHMS
from idp.oauth.clients import AuthenticationMethod, ClientRegistration, ClientService, GrantType
from idp.oauth.model import CLIENT_SCOPES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from foundation.settings import Settings
    from idp.oauth.clients import Client

DAY_SECONDS = 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    listing = acts.add_parser("list", help="show the registered systems")
    listing.add_argument("--organisation", metavar="CODE", help="only those of one organisation (credit code)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    _add_registration(acts.add_parser("register", help="register a system; prints its secret, this once"))
    rotate = acts.add_parser("rotate-secret", help="make a new secret; the old one works a while longer")
    rotate.add_argument("client_id")
    rotate.add_argument("--overlap", type=int, default=DAY_SECONDS, metavar="SECONDS", help="default: one day")
    invite = acts.add_parser("initial-token", help="let an organisation register systems of its own for a week")
    invite.add_argument("--organisation", required=True, metavar="CODE")
    invite.add_argument("--uses", type=int, default=1)
    for act, summary in (("suspend", "refuse a system everything at once"), ("reinstate", "let it act again")):
        acts.add_parser(act, help=summary).add_argument("client_id")


def _add_registration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="shown to people on the consent page")
    parser.add_argument("--organisation", required=True, metavar="CODE", help="credit code of the owning organisation")
    parser.add_argument("--redirect-uri", action="append", default=[], metavar="URI")
    parser.add_argument("--scope", action="append", default=[], metavar="SCOPE")
    parser.add_argument("--grant", action="append", default=[], choices=[grant.value for grant in GrantType])
    parser.add_argument(
        "--authentication",
        default=AuthenticationMethod.SECRET_BASIC.value,
        choices=[method.value for method in AuthenticationMethod],
    )
    parser.add_argument("--jwks", type=Path, metavar="FILE", help="the system's public keys, a JWK set")
    parser.add_argument("--sector", metavar="HOST", help="needed when redirect URIs lie on several hosts")
    parser.add_argument("--pre-approved", action="store_true", help="the city's own system: no consent page")
    parser.add_argument("--channel", choices=CHANNELS, help="people meet the system there, and acts are recorded so")
    parser.add_argument("--id-token-algorithm", default="ES256", choices=SIGNING_ALGORITHMS)


def run(arguments: argparse.Namespace) -> int:
    """Do one act and print its result."""
    with surroundings() as settings:
        asyncio.run(_act(settings, arguments))
    return 0


async def _act(settings: Settings, arguments: argparse.Namespace) -> None:
    database, clock = Database(settings.database_url, pool_size=1), SystemClock()
    clients = ClientService(database, clock, Audit(clock))
    operator = Principal(PrincipalKind.OPERATOR, f"shell:{getpass.getuser()}", channel=Channel.SYSTEM)
    try:
        match arguments.act:
            case "list":
                for client in await clients.all(arguments.organisation):
                    print(json.dumps(described(client), ensure_ascii=False) if arguments.json else line(client))
            case "register":
                made = await clients.register(operator, registration_of(arguments))
                print(json.dumps({"client_id": made.client_id, "client_secret": made.client_secret}, indent=1))
            case "initial-token":
                print(await clients.initial_token(operator, arguments.organisation, uses=arguments.uses))
            case "rotate-secret":
                secret = await clients.rotate_secret(operator, arguments.client_id, overlap_seconds=arguments.overlap)
                print(json.dumps({"client_id": arguments.client_id, "client_secret": secret}, indent=1))
            case "suspend":
                await clients.suspend(operator, arguments.client_id)
            case "reinstate":
                await clients.reinstate(operator, arguments.client_id)
    finally:
        await database.close()


def registration_of(arguments: argparse.Namespace) -> ClientRegistration:
    """Return what was asked for; raises InvalidInput for a key file that cannot be read."""
    own = not arguments.redirect_uri or CLIENT_SCOPES & set(arguments.scope)
    default = [GrantType.AUTHORIZATION_CODE.value] * bool(arguments.redirect_uri)
    default += [GrantType.CLIENT_CREDENTIALS.value] * bool(own)
    return ClientRegistration(
        client_name=arguments.name,
        organisation_code=arguments.organisation,
        redirect_uris=tuple(arguments.redirect_uri),
        scopes=frozenset(arguments.scope),
        grant_types=frozenset(arguments.grant or default),
        authentication=AuthenticationMethod(arguments.authentication),
        jwks=_read_jwks(arguments.jwks),
        sector_identifier=arguments.sector,
        pre_approved=arguments.pre_approved,
        id_token_algorithm=arguments.id_token_algorithm,
        metadata={"channel": arguments.channel} if arguments.channel else {},
    )


def _read_jwks(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        keys: Mapping[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"The key file {path.name} cannot be read as JSON.", field="jwks") from error
    return keys


def described(client: Client) -> dict[str, Any]:
    """Return the public facts of a client."""
    return {
        "client_id": client.client_id,
        "client_name": client.client_name,
        "organisation_code": client.organisation_code,
        "status": client.status.value,
        "token_endpoint_auth_method": client.authentication.value,
        "grant_types": sorted(client.grant_types),
        "redirect_uris": list(client.redirect_uris),
        "scope": " ".join(sorted(client.scopes)),
    }


def line(client: Client) -> str:
    """Return one line for a person to read."""
    facts = (client.client_id, client.status.value, client.organisation_code, client.authentication.value)
    return "  ".join((*facts, client.client_name))
