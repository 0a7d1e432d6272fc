"""`hufu clients`: department systems, from registration to suspension, and what departments ask for."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.audit import Audit
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.errors import InvalidInput, NotFound
from foundation.principal import PrincipalKind
from hufu.commands.terminal import operator
from hufu.surroundings import surroundings
from idp.oauth.client_metadata import CHANNELS, SIGNING_ALGORITHMS
from idp.oauth.clients import AuthenticationMethod, ClientRegistration, ClientService, GrantType
from idp.oauth.department import DepartmentClients
from idp.oauth.model import CLIENT_SCOPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.principal import Principal
    from foundation.settings import Settings
    from idp.oauth.clients import Client
    from idp.oauth.department import ClientRequest

DAY_SECONDS = 86_400
OPTIONS = ("channel", "may_act")
"""Members of the metadata with an option of their own."""
LISTS = {"redirect-uri": "redirect_uris", "scope": "scopes", "jwks": "jwks"}
"""What `change --empty` takes away, by the option that would set it. A client without a grant could do nothing."""
EMPTY: dict[str, object] = {"redirect_uris": (), "scopes": frozenset(), "jwks": None}
DECISIONS = ("requests", "approve", "reject")


class OperatorsOnly:
    """Who administers an organisation, as far as the command line goes: the operator who types, for every one."""

    async def administers(self, principal: Principal, organisation_code: str) -> bool:
        """Tell whether the principal is an operator."""
        return bool(organisation_code) and principal.kind is PrincipalKind.OPERATOR


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    listing = acts.add_parser("list", help="show the registered systems")
    listing.add_argument("--organisation", metavar="CODE", help="only those of one organisation (credit code)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    _add_registration(acts.add_parser("register", help="register a system; prints its secret, this once"))
    acts.add_parser("show", help="everything on record about a system, but no secret").add_argument("client_id")
    change = acts.add_parser("change", help="change what is named and keep the rest")
    change.add_argument("client_id")
    _add_changes(change)
    acts.add_parser("requests", help="what departments ask for and an operator has to decide")
    acts.add_parser("approve", help="grant what a department asks for").add_argument("request_id")
    reject = acts.add_parser("reject", help="turn down what a department asks for")
    reject.add_argument("request_id")
    reject.add_argument("--reason", required=True, help="told to the department")
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
    _add_terms(parser)
    parser.add_argument("--pre-approved", action="store_true", help="the city's own system: no consent page")


def _add_changes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="shown to people on the consent page")
    _add_terms(parser)
    parser.add_argument("--pre-approved", action=argparse.BooleanOptionalAction, help="no consent page")
    parser.add_argument(
        "--empty",
        action="append",
        default=[],
        choices=LISTS,
        help="take away every value of that option; options not named at all keep what they have",
    )


def _add_terms(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--redirect-uri", action="append", default=[], metavar="URI")
    parser.add_argument("--scope", action="append", default=[], metavar="SCOPE")
    parser.add_argument("--grant", action="append", default=[], choices=[grant.value for grant in GrantType])
    parser.add_argument("--authentication", choices=[method.value for method in AuthenticationMethod])
    parser.add_argument("--jwks", type=Path, metavar="FILE", help="the system's public keys, a JWK set")
    parser.add_argument("--sector", metavar="HOST", help="needed when redirect URIs lie on several hosts")
    parser.add_argument("--id-token-algorithm", choices=SIGNING_ALGORITHMS)
    parser.add_argument("--channel", choices=CHANNELS, help="people meet the system there, and acts are recorded so")
    parser.add_argument("--may-act", metavar="CLIENT", help="the system that may exchange this one's tokens")
    parser.add_argument(
        "--metadata",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other registered member (RFC 7591), its value as JSON or plain text; null takes it away",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do one act and print its result."""
    with surroundings() as settings:
        asyncio.run(_act(settings, arguments))
    return 0


async def _act(settings: Settings, arguments: argparse.Namespace) -> None:
    database, clock = Database(settings.database_url, pool_size=1), SystemClock()
    clients = ClientService(database, clock, Audit(clock))
    departments = DepartmentClients(database, clock, Audit(clock), clients=clients, administrators=OperatorsOnly())
    try:
        if arguments.act in DECISIONS:
            await _decide(departments, operator(), arguments)
        elif arguments.act in {"list", "show"}:
            await _show(clients, arguments)
        else:
            await _keep(clients, operator(), arguments)
    finally:
        await database.close()


async def _decide(departments: DepartmentClients, operator: Principal, arguments: argparse.Namespace) -> None:
    """List what departments ask for, or answer it."""
    match arguments.act:
        case "requests":
            for request, _ in await departments.waiting(operator):
                print(json.dumps(asked(request), ensure_ascii=False))
        case "approve":
            print(await departments.approve(operator, arguments.request_id))
        case "reject":
            await departments.reject(operator, arguments.request_id, arguments.reason)


async def _show(clients: ClientService, arguments: argparse.Namespace) -> None:
    """Print one system, or a line for each."""
    if arguments.act == "show":
        print(json.dumps(detailed(await _known(clients, arguments.client_id)), ensure_ascii=False, indent=1))
        return
    for client in await clients.all(arguments.organisation):
        print(json.dumps(described(client), ensure_ascii=False) if arguments.json else line(client))


async def _keep(clients: ClientService, operator: Principal, arguments: argparse.Namespace) -> None:
    """Register a system or change what is on record about it."""
    match arguments.act:
        case "register":
            made = await clients.register(operator, registration_of(arguments))
            print(json.dumps({"client_id": made.client_id, "client_secret": made.client_secret}, indent=1))
        case "change":
            present = await _known(clients, arguments.client_id)
            await clients.replace(operator, present.client_id, changed(present, arguments))
        case "initial-token":
            print(await clients.initial_token(operator, arguments.organisation, uses=arguments.uses))
        case "rotate-secret":
            secret = await clients.rotate_secret(operator, arguments.client_id, overlap_seconds=arguments.overlap)
            print(json.dumps({"client_id": arguments.client_id, "client_secret": secret}, indent=1))
        case "suspend":
            await clients.suspend(operator, arguments.client_id)
        case "reinstate":
            await clients.reinstate(operator, arguments.client_id)


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
        authentication=AuthenticationMethod(arguments.authentication or AuthenticationMethod.SECRET_BASIC),
        jwks=_read_jwks(arguments.jwks),
        sector_identifier=arguments.sector,
        pre_approved=arguments.pre_approved,
        id_token_algorithm=arguments.id_token_algorithm or "ES256",
        metadata=_metadata({}, arguments),
    )


def changed(present: Client, arguments: argparse.Namespace) -> ClientRegistration:
    """Return a client's registration with what was named in place of what stands; raises InvalidInput."""
    given = {
        "client_name": arguments.name,
        "redirect_uris": tuple(arguments.redirect_uri) or None,
        "scopes": frozenset(arguments.scope) or None,
        "grant_types": frozenset(arguments.grant) or None,
        "authentication": arguments.authentication and AuthenticationMethod(arguments.authentication),
        "jwks": _read_jwks(arguments.jwks),
        "sector_identifier": arguments.sector,
        "pre_approved": arguments.pre_approved,
        "id_token_algorithm": arguments.id_token_algorithm,
    }
    names = [field.name for field in fields(ClientRegistration) if field.name != "metadata"]
    kept = {name: getattr(present, name) for name in names}
    kept |= {name: value for name, value in given.items() if value is not None}
    for option in arguments.empty:
        if given[LISTS[option]] is not None:
            raise InvalidInput(f"Name values by --{option} or empty it, not both.", field=LISTS[option])
        kept[LISTS[option]] = EMPTY[LISTS[option]]
    return ClientRegistration(**kept, metadata=_metadata(present.metadata.stored(), arguments))


def _metadata(present: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the members that stand, with those named in their place; raises InvalidInput."""
    members = {**present}
    for pair in arguments.metadata:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InvalidInput("Write NAME=VALUE.", field="metadata")
        members[name] = _value(text)
    members |= {name: value for name in OPTIONS if (value := getattr(arguments, name)) is not None}
    return {name: value for name, value in members.items() if value is not None}


def _value(text: str) -> object:
    """Return a value typed as JSON, or as the plain text it is."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


async def _known(clients: ClientService, client_id: str) -> Client:
    found = next((client for client in await clients.all() if client.client_id == client_id), None)
    if found is None:
        raise NotFound("There is no such client.")
    return found


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


def detailed(client: Client) -> dict[str, Any]:
    """Return everything on record about a client that is no secret."""
    return {
        **described(client),
        "sector_identifier": client.sector_identifier,
        "pre_approved": client.pre_approved,
        "id_token_signed_response_alg": client.id_token_algorithm,
        "jwks": client.jwks,
        **client.metadata.stored(),
    }


def asked(request: ClientRequest) -> dict[str, Any]:
    """Return one line about what a department asks for."""
    wanted = request.wanted
    return {
        "request_id": request.request_id,
        "client_id": request.client_id,
        "organisation_code": request.organisation_code,
        "client_name": wanted.client_name,
        "grant_types": sorted(wanted.grant_types),
        "redirect_uris": list(wanted.redirect_uris),
        "scope": " ".join(sorted(wanted.scopes)),
        "requested_by": request.requested_by,
        **wanted.metadata,
    }


def line(client: Client) -> str:
    """Return one line for a person to read."""
    facts = (client.client_id, client.status.value, client.organisation_code, client.authentication.value)
    return "  ".join((*facts, client.client_name))
