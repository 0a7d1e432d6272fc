"""Fills an empty development service with the demo city; running it again changes nothing.

Client secrets are made by the service and shown once; the seed keeps them, readable by the
owner only, in `demo.json` in the data directory, where the portal and `make demo` find them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.directory import District, Matter, Organisation
from foundation.errors import Conflict, TrustServiceError
from foundation.principal import SYSTEM, Channel, Principal, PrincipalKind
from foundation.settings import BadSettings, Profile
from hufu import demo_city
from idp.oauth.authorization_details import DETAIL_TYPES
from idp.oauth.clients import ClientRegistration
from idp.people.errors import UsernameTaken
from idp.people.officers import Authority
from idp.people.parties import Named
from licence_vault.catalogue import publish_seeded_types
from signing.model import SealApplication, SealKind
from verification.presentation.register import IssuerEntry, Permission

if TYPE_CHECKING:
    from pathlib import Path

    from hufu.wiring import Application
    from signing.model import Seal

YEARS = timedelta(days=5 * 365)
OFFICER_AUTHORITIES = (
    Authority.SEALING,
    Authority.ISSUING,
    Authority.ORIGINAL_CHECK,
    Authority.COUNTER_VERIFICATION,
    Authority.DELIVERY,
)
SEALED_ORGANISATIONS = (demo_city.MARKET_BUREAU, demo_city.LAND_BUREAU)
TOKEN_GRANTS = frozenset({"client_credentials"})
PORTAL_GRANTS = frozenset({"client_credentials", "authorization_code"})


@dataclass(frozen=True, slots=True)
class SeedReport:
    """What was made, and where the client secrets lie."""

    file: Path
    lines: tuple[str, ...]
    portal_client_id: str
    portal_client_secret: str


async def seed(application: Application, *, portal_port: int = demo_city.PORTAL_PORT) -> SeedReport:
    """Fill the service; the sandbox authority must be running for the citizens' proofs.

    Raises: BadSettings in the production profile.
    """
    if application.settings.profile is Profile.PRODUCTION:
        message = "the demo city is refused in production"
        raise BadSettings(message)
    await _directory(application)
    await publish_seeded_types(application.vault.catalogue, SYSTEM)
    await _operators(application)
    officers = await _officers(application)
    await _workstation(application)
    for serial, organisation in enumerate(SEALED_ORGANISATIONS, 1):
        await _seal(application, organisation, serial, officers)
    await _credentials(application)
    file = application.settings.data_directory / "demo.json"
    secrets = await _clients(application, file, portal_port)
    proven = [await _citizen(application, citizen) for citizen in demo_city.CITIZENS]
    portal = demo_city.PORTAL.client_id
    return SeedReport(file, _lines(proven), portal, secrets[portal])


async def _directory(application: Application) -> None:
    directory = application.services.directory
    async with application.services.database.transaction() as connection:
        for code, name, parent in demo_city.DISTRICTS:
            await directory.add_district(connection, District(code, name, parent))
        for organisation in demo_city.ORGANISATIONS:
            await directory.add_organisation(
                connection,
                Organisation(
                    organisation.credit_code, organisation.name, organisation.district_code, organisation.level
                ),
            )
        for code, name, owner in demo_city.MATTERS:
            await directory.add_matter(connection, Matter(code, name, owner))


async def _operators(application: Application) -> None:
    for operator in demo_city.OPERATORS:
        try:
            await application.people.officers.add_operator(
                SYSTEM,
                username=operator.username,
                password=operator.password,
                totp_secret_base32=operator.totp_secret_base32,
            )
        except UsernameTaken:
            continue


async def _officers(application: Application) -> dict[str, str]:
    """Add the officers with their authorities; return the new ones' ids by organisation."""
    until = application.services.clock.now() + YEARS
    added = {}
    for officer in demo_city.OFFICERS:
        try:
            made = await application.people.officers.add(
                SYSTEM,
                username=officer.username,
                password=officer.password,
                name=officer.name,
                organisation_code=officer.organisation.credit_code,
                district_code=officer.organisation.district_code,
                post=officer.post,
                totp_secret_base32=officer.totp_secret_base32,
            )
        except UsernameTaken:
            continue
        added[officer.organisation.credit_code] = made.officer.officer_id
        keeping = (Authority.SEAL_KEEPING,) if officer.keeps_seals else ()
        for authority in (*OFFICER_AUTHORITIES, *keeping):
            await application.people.officers.grant(
                SYSTEM,
                made.officer.officer_id,
                authority,
                district_code=officer.organisation.district_code,
                valid_until=until,
            )
    for officer, organisation, post in demo_city.FURTHER_POSTS:
        if officer.organisation.credit_code in added:
            await application.people.officers.appoint(
                SYSTEM,
                Named(officer.username, officer.name),
                organisation_code=organisation.credit_code,
                district_code=organisation.district_code,
                post=post,
            )
    return added


async def _workstation(application: Application) -> None:
    """Register a counter of the service hall, where two officers verify people."""
    hall, workstations = demo_city.WEST_HALL, application.people.workstations
    asker = Principal(PrincipalKind.SYSTEM, "seed", organisation_code=hall.credit_code)
    if not await workstations.of_organisation(asker):
        await workstations.register(
            SYSTEM, organisation_code=hall.credit_code, district_code=hall.district_code, name="一号窗口"
        )


async def _seal(
    application: Application, organisation: demo_city.DemoOrganisation, serial: int, officers: dict[str, str]
) -> Seal | None:
    """Take an organisation's seal through its life up to active, and let its officer use it."""
    seals = application.signing.seals
    if await seals.of_organisation(organisation.credit_code):
        return None
    applicant, approver = (_operator(operator) for operator in demo_city.OPERATORS)
    seal = await seals.apply(applicant, SealApplication(organisation.credit_code, SealKind.STATUTORY))
    await seals.approve(approver, seal.seal_id)
    await seals.make(applicant, seal.seal_id)
    await seals.file(applicant, seal.seal_id, filing_number=f"{organisation.credit_code[2:8]}{serial:07}")
    seal = await seals.activate(applicant, seal.seal_id)
    now = application.services.clock.now()
    if organisation.credit_code in officers:
        grants, officer_id = application.signing.grants, officers[organisation.credit_code]
        grant = await grants.grant(applicant, seal.seal_id, officer_id, valid_from=now, valid_to=now + YEARS)
        await grants.approve(approver, grant.grant_id)
    return seal


async def _credentials(application: Application) -> None:
    """Trust a neighbouring city's credential, and let the service hall and its system ask wallets for it."""
    register, operator = application.verification.presentation_register, _operator(demo_city.OPERATORS[0])
    vct, hall = demo_city.RESIDENT_TYPE, demo_city.WEST_HALL.credit_code
    if any(vct in issuer.vct_values for issuer in await register.issuers()):
        return
    await register.trust(operator, IssuerEntry(demo_city.NEIGHBOUR, (vct,), anchors_pem=demo_city.NEIGHBOUR_ANCHOR_PEM))
    for client_id in ("", demo_city.WINDOW.client_id):
        wanted = Permission(hall, client_id, vct, demo_city.RESIDENT_TITLE, demo_city.RESIDENT_CLAIMS)
        await register.allow(operator, wanted)


def _operator(operator: demo_city.DemoOperator) -> Principal:
    return Principal(PrincipalKind.OPERATOR, operator.username, channel=Channel.SYSTEM)


async def _clients(application: Application, file: Path, portal_port: int) -> dict[str, str]:
    secrets = _kept_secrets(file)
    for client in demo_city.CLIENTS:
        registration = ClientRegistration(
            client_name=client.name,
            organisation_code=client.organisation.credit_code,
            redirect_uris=demo_city.portal_redirects(portal_port) if client.portal else (),
            sector_identifier="localhost" if client.portal else None,
            scopes=client.scopes,
            grant_types=PORTAL_GRANTS if client.portal else TOKEN_GRANTS,
            metadata=_metadata(client),
        )
        try:
            made = await application.services.clients.register(SYSTEM, registration, client_id=client.client_id)
            secrets[client.client_id] = made.client_secret or ""
        except Conflict:
            await application.services.clients.replace(SYSTEM, client.client_id, registration)
            if client.client_id not in secrets:
                secrets[client.client_id] = await application.services.clients.rotate_secret(
                    SYSTEM, client.client_id, overlap_seconds=0
                )
    _write_private(file, json.dumps({"clients": secrets}, indent=2))
    return secrets


def _metadata(client: demo_city.DemoClient) -> dict[str, object]:
    if client.portal:
        return {"authorization_details_types": list(DETAIL_TYPES)}
    return {"dpop_bound_access_tokens": True} if client.bound else {}


def _kept_secrets(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    secrets: dict[str, str] = json.loads(file.read_text("utf-8"))["clients"]
    return secrets


def _write_private(file: Path, text: str) -> None:
    """Replace a file, readable by its owner only from the first byte on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
    fresh.replace(file)


async def _citizen(application: Application, citizen: demo_city.DemoCitizen) -> tuple[demo_city.DemoCitizen, bool]:
    """Register a citizen and prove the name; tell whether the authority vouched."""
    people = application.people
    try:
        await people.accounts.register(
            citizen.username, demo_city.CITIZEN_PASSWORD, citizen.mobile, source="seed", channel=Channel.WEB
        )
    except UsernameTaken:
        return citizen, True
    session = await people.sessions.sign_in(
        citizen.username, demo_city.CITIZEN_PASSWORD, source="seed", channel=Channel.WEB
    )
    principal = session.principal()
    elements = {
        "name": citizen.name,
        "citizen_id_number": citizen.citizen_id_number,
        "card_number": citizen.card_number,
        "mobile": citizen.mobile,
    }
    try:
        result = await people.real_name.prove(principal, "bank_card", elements, source="seed")
        matched = result.outcome == "match"
    except TrustServiceError:
        matched = False
    await people.sessions.sign_out(principal)
    return citizen, matched


def _lines(proven: list[tuple[demo_city.DemoCitizen, bool]]) -> tuple[str, ...]:
    """Return the demo sign-ins, ready to print."""
    lines = [f"citizen   {who.username:<13} {demo_city.CITIZEN_PASSWORD}" for who, _ in proven]
    lines += [
        f"officer   {who.username:<13} {who.password}  one-time code secret {who.totp_secret_base32}"
        for who in demo_city.OFFICERS
    ]
    lines += [
        f"operator  {who.username:<13} {who.password}  one-time code secret {who.totp_secret_base32}"
        for who in demo_city.OPERATORS
    ]
    lines += [
        f"(not proven yet: {who.username}; the real-name authority did not answer)" for who, ok in proven if not ok
    ]
    return tuple(lines)
