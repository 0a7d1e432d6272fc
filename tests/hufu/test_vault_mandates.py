"""Mandates open the vault: the register of `idp` and the vault of licences, joined as `hufu` joins them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from foundation.errors import InvalidInput, NotFound, NotPermitted, StepUpRequired
from foundation.notices import Notices
from foundation.principal import SYSTEM, PrincipalKind
from foundation.tables import audit_log
from hufu.adapters import VaultHolders, VaultMandates, VaultOfficers, VaultRoles
from idp.people.assisted import AgentDocument
from idp.people.counter import Presence, Visit
from idp.people.errors import MandateRefused
from idp.people.mandate import Refusal, Terms
from idp.people.officers import ANY, Authority
from idp.people.parties import Named
from idp.people.tables import mandate_uses, mandates
from licence_vault.assembly import Vault, assemble_vault
from licence_vault.errors import LicenceNotFound
from licence_vault.identifier import parse_identifier
from licence_vault.model import Holder, PaperMandate, Purpose
from licence_vault.reading import READ_NOTICE
from licence_vault.tables import licence_accesses
from tests.idp.people.conftest import (
    BUREAU as COUNTER_BUREAU,
)
from tests.idp.people.conftest import (
    CHEN_WEI,
    DISTRICT,
    Join,
    authority,
    gateway_settings,
    join,
    notices,
    observer,
    people,
    sms,
)
from tests.licence_vault.conftest import BUREAU, STRANGER, directory, ground, keys, renderer, seal, signing
from tests.licence_vault.conftest import People as NoActs
from tests.licence_vault.samples import FOOD, ISSUER, MATTER, food_request
from tests.support.real_name_authority import CITIZENS, COMPANIES

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from idp.people.assembly import People
    from keys.assembly import Keys
    from licence_vault.ports import AllowedActs
    from licence_vault.rendering import FaceRenderer
    from signing.assembly import Signing

__all__ = [
    "authority", "directory", "gateway_settings", "ground", "join", "keys", "notices", "observer", "people", "renderer",
    "seal", "signing", "sms",
]  # fmt: skip

LI_MING = CITIZENS[1]
CASE = Purpose(MATTER, "CASE-7", "代办延续")
WINDOW_CASE = Purpose(MATTER, "CASE-8", "窗口代办", "staff-3")


@pytest.fixture
def acts(cipher: FieldCipher) -> AllowedActs:
    """No token allows an act here; tests/hufu/test_delegated_reading.py joins the provider."""
    return NoActs(cipher)


@pytest.fixture
def vault(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    audit: Audit,
    cipher: FieldCipher,
    blobs: BlobStore,
    directory: Directory,
    keys: Keys,
    signing: Signing,
    people: People,
    renderer: FaceRenderer,
    acts: AllowedActs,
) -> Vault:
    return assemble_vault(
        settings,
        database,
        clock=clock,
        audit=audit,
        cipher=cipher,
        blobs=blobs,
        directory=directory,
        keys=keys.service,
        seals=signing.seals,
        sealing=signing.sealing,
        holders=VaultHolders(people.persons, people.legal_persons),
        officers=VaultOfficers(people.officers),
        roles=VaultRoles(people.legal_persons),
        mandates=VaultMandates(people),
        acts=acts,
        renderer=renderer,
    )


@pytest.fixture
async def giver(join: Join) -> Principal:
    return (await join.proven(CHEN_WEI, "chenwei")).principal()


@pytest.fixture
async def agent(join: Join, giver: Principal) -> Principal:
    assert giver.person_id
    return (await join.proven(LI_MING, "liming")).principal()


@pytest.fixture
async def licence(vault: Vault, giver: Principal) -> str:
    """The giver's food licence."""
    assert giver.person_id
    holder = Holder(CHEN_WEI.name, "111", CHEN_WEI.citizen_id_number)
    return (await vault.licences.issue(BUREAU, food_request(holders=(holder,)))).identifier


def _terms(clock: FixedClock, **changes: object) -> Terms:
    now = clock.now()
    return replace(Terms((MATTER,), (FOOD,), ("*",), now, now + timedelta(days=30), 3), **changes)  # type: ignore[arg-type]


async def _mandate(people: People, giver: Principal, agent: Principal, terms: Terms) -> str:
    offered = await people.mandates.propose(giver, Named("liming", LI_MING.name), terms)
    await people.mandates.accept(agent, offered.mandate_id)
    return offered.mandate_id


async def _count(database: Database, column: object) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count(column)))).scalar_one())  # type: ignore[arg-type]


async def test_an_agent_reads_the_givers_licence_and_every_use_names_both(
    vault: Vault,
    people: People,
    database: Database,
    clock: FixedClock,
    giver: Principal,
    agent: Principal,
    licence: str,
) -> None:
    mandate_id = await _mandate(people, giver, agent, _terms(clock, fields=("business_premises",)))
    (read,) = await vault.mandated.licences(agent, mandate_id, FOOD, CASE)
    assert (read.identifier, set(read.face), read.masked) == (licence, {"business_premises"}, True)
    (seen,) = await vault.licences.accesses(giver)
    assert (seen.way, seen.reader, seen.mandate_id) == ("mandate", agent.audit_name, mandate_id)
    (used,) = await people.mandates.uses(giver)
    assert (used.principal_id, used.agent_person_id) == (giver.person_id, agent.person_id)
    assert (used.matter_code, used.licence_type) == (MATTER, FOOD)
    async with database.read() as connection:
        events = {row.action: row.detail for row in await connection.execute(select(audit_log))}
        assert (await connection.execute(select(mandates.c.uses))).scalar_one() == 1
    assert events["people.mandate_use"]["principal"] == f"person:{giver.person_id}"
    assert events["people.mandate_use"]["agent"] == agent.person_id
    assert events["licence_vault.read"]["mandate_id"] == mandate_id
    with pytest.raises(NotPermitted, match="fields"):
        await vault.mandated.document(agent, mandate_id, licence, CASE)
    assert await _count(database, mandate_uses.c.use_id) == 1


async def test_the_file_is_given_where_every_field_is(
    vault: Vault, people: People, clock: FixedClock, giver: Principal, agent: Principal, licence: str
) -> None:
    mandate_id = await _mandate(people, giver, agent, _terms(clock))
    document = await vault.mandated.document(agent, mandate_id, licence, CASE)
    assert document.pdf.startswith(b"%PDF")
    with pytest.raises(LicenceNotFound):
        await vault.licences.get(agent, licence)


@pytest.mark.parametrize(
    ("terms", "purpose", "reason"),
    [
        ({"matters": ("500102-RESIDENCE",)}, CASE, Refusal.MATTER),
        ({"licence_types": ("11100000MB0143028R001",)}, CASE, Refusal.LICENCE_TYPE),
        ({"uses_allowed": 1}, CASE, Refusal.USED_UP),
        ({}, replace(CASE, matter_code="another"), Refusal.MATTER),
    ],
    ids=["other matter", "other type", "used up", "asked for another matter"],
)
async def test_out_of_scope_and_exhausted_mandates_open_nothing(
    vault: Vault,
    people: People,
    database: Database,
    clock: FixedClock,
    giver: Principal,
    agent: Principal,
    licence: str,
    terms: dict[str, object],
    purpose: Purpose,
    reason: Refusal,
) -> None:
    assert licence
    mandate_id = await _mandate(people, giver, agent, _terms(clock, **terms))
    if reason is Refusal.USED_UP:
        await vault.mandated.licences(agent, mandate_id, FOOD, CASE)
    before = await _count(database, licence_accesses.c.access_id)
    with pytest.raises(MandateRefused) as caught:
        await vault.mandated.licences(agent, mandate_id, FOOD, purpose)
    assert caught.value.reason == reason
    assert await _count(database, licence_accesses.c.access_id) == before
    assert await _count(database, mandate_uses.c.use_id) == before


async def test_expired_revoked_and_strange_mandates_open_nothing(
    vault: Vault, people: People, database: Database, clock: FixedClock, giver: Principal, agent: Principal, join: Join,
    licence: str,
) -> None:  # fmt: skip
    assert licence
    revoked = await _mandate(people, giver, agent, _terms(clock))
    await people.mandates.revoke(giver, revoked)
    expired = await _mandate(people, giver, agent, _terms(clock, valid_until=clock.now() + timedelta(minutes=5)))
    other = (await join.proven(CITIZENS[2], "third")).principal()
    for principal, mandate_id, reason in (
        (agent, revoked, Refusal.REVOKED),
        (other, expired, Refusal.OTHER_AGENT),
        (agent, "man_unknown", Refusal.NOT_ACTIVE),
    ):
        with pytest.raises(MandateRefused) as caught:
            await vault.mandated.licences(principal, mandate_id, FOOD, CASE)
        assert caught.value.reason == reason
    clock.advance(timedelta(minutes=5))
    with pytest.raises(MandateRefused) as caught:
        await vault.mandated.licences(agent, expired, FOOD, CASE)
    assert caught.value.reason == Refusal.EXPIRED
    assert await _count(database, mandate_uses.c.use_id) == 0


async def test_what_is_no_act_of_an_agent_is_refused(
    vault: Vault, people: People, clock: FixedClock, giver: Principal, agent: Principal, licence: str
) -> None:
    mandate_id = await _mandate(people, giver, agent, _terms(clock))
    with pytest.raises(InvalidInput):
        await vault.mandated.licences(agent, mandate_id, FOOD, Purpose())
    with pytest.raises(StepUpRequired):
        await vault.mandated.licences(replace(agent, acr="L1"), mandate_id, FOOD, CASE)
    with pytest.raises(NotPermitted):
        await vault.mandated.licences(STRANGER, mandate_id, FOOD, CASE)
    with pytest.raises(LicenceNotFound):
        await vault.mandated.document(agent, mandate_id, str(replace(parse_identifier(licence), version=2)), CASE)
    others = await vault.licences.issue(BUREAU, food_request(idempotency_key="others"))
    with pytest.raises(LicenceNotFound):
        await vault.mandated.document(agent, mandate_id, others.identifier, CASE)
    assert (await people.mandates.held(agent))[0].uses == 0


async def test_parallel_readings_stop_at_the_number_agreed(
    vault: Vault, people: People, clock: FixedClock, giver: Principal, agent: Principal, licence: str
) -> None:
    assert licence
    mandate_id = await _mandate(people, giver, agent, _terms(clock))
    answers = await asyncio.gather(
        *(vault.mandated.licences(agent, mandate_id, FOOD, CASE) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(answer, tuple) for answer in answers) == 3
    assert sum(isinstance(answer, MandateRefused) for answer in answers) == 5


async def test_an_agent_shows_and_a_revocation_before_the_collection_wins(
    vault: Vault, people: People, clock: FixedClock, giver: Principal, agent: Principal, licence: str
) -> None:
    mandate_id = await _mandate(people, giver, agent, _terms(clock, fields=("business_premises", "residence")))
    offer = await vault.shows.offer(agent, [licence], mandate_id=mandate_id)
    await vault.shows.scan(STRANGER, offer.qr_text, WINDOW_CASE, ["business_premises"])
    await vault.shows.release(agent, offer.show_id)
    shown = await vault.shows.collect(STRANGER, offer.show_id)
    assert set(shown.licences[0].face) == {"business_premises"}
    (used,) = await people.mandates.uses(giver)
    assert used.agent_person_id == agent.person_id

    offer = await vault.shows.offer(agent, [licence], mandate_id=mandate_id)
    await vault.shows.scan(STRANGER, offer.qr_text, WINDOW_CASE, ["business_premises", "signed_by"])
    with pytest.raises(MandateRefused) as caught:
        await vault.shows.release(agent, offer.show_id)
    assert caught.value.reason == Refusal.FIELD

    offer = await vault.shows.offer(agent, [licence], mandate_id=mandate_id)
    await vault.shows.scan(STRANGER, offer.qr_text, WINDOW_CASE)
    await vault.shows.release(agent, offer.show_id)
    await people.mandates.revoke(giver, mandate_id)
    with pytest.raises(MandateRefused) as caught:
        await vault.shows.collect(STRANGER, offer.show_id)
    assert caught.value.reason == Refusal.REVOKED
    with pytest.raises(MandateRefused):
        await vault.shows.offer(agent, [licence], mandate_id=mandate_id)


async def test_the_paper_code_opens_the_vault_at_a_window(
    vault: Vault, people: People, join: Join, clock: FixedClock, database: Database, licence: str
) -> None:
    officer, paper = await _paper(people, join, clock)
    for _ in range(2):
        (read,) = await vault.mandated.at_window(officer, paper, FOOD, WINDOW_CASE)
        assert read.identifier == licence
    async with database.read() as connection:
        rows = (await connection.execute(select(mandate_uses))).all()
    assert [(row.actor, row.channel) for row in rows] == [(officer.audit_name, "counter")] * 2
    assert all(row.agent_person_id and row.agent_person_id != row.principal_id for row in rows)
    wrong = (
        replace(paper, code="2222-2222-2222"),
        replace(paper, document_number=CITIZENS[2].citizen_id_number, agent_name=CITIZENS[2].name),
        replace(paper, agent_name="李鸣"),
    )
    for one in wrong:
        with pytest.raises(MandateRefused):
            await vault.mandated.at_window(officer, one, FOOD, WINDOW_CASE)
    with pytest.raises(MandateRefused) as caught:
        await vault.mandated.at_window(officer, paper, FOOD, WINDOW_CASE)
    assert caught.value.reason == Refusal.USED_UP
    assert await _count(database, mandate_uses.c.use_id) == 2
    with pytest.raises(NotPermitted):
        await vault.mandated.at_window(STRANGER, paper, FOOD, WINDOW_CASE)


async def test_a_paper_code_opens_nothing_once_its_mandate_was_revoked(
    vault: Vault, people: People, join: Join, clock: FixedClock, database: Database, giver: Principal, licence: str
) -> None:
    officer, paper = await _paper(people, join, clock)
    (read,) = await vault.mandated.at_window(officer, paper, FOOD, WINDOW_CASE)
    assert read.identifier == licence
    (mandate,) = await people.mandates.given(giver)
    await people.mandates.revoke(giver, mandate.mandate_id)
    with pytest.raises(MandateRefused) as caught:
        await vault.mandated.at_window(officer, paper, FOOD, WINDOW_CASE)
    assert caught.value.reason == "code"
    assert await _count(database, mandate_uses.c.use_id) == 1


async def _paper(people: People, join: Join, clock: FixedClock) -> tuple[Principal, PaperMandate]:
    """Have two officers verify Chen Wei and write down that Li Na may act, twice."""
    principals = []
    workstation = await people.workstations.register(
        SYSTEM, organisation_code=COUNTER_BUREAU, district_code=DISTRICT, name="一号窗口"
    )
    for name in ("officer.li", "officer.wang"):
        officer, secret = await join.officer(name)
        await people.officers.grant(
            SYSTEM,
            officer.officer_id,
            Authority.COUNTER_VERIFICATION,
            district_code=DISTRICT,
            matter_code=ANY,
            valid_until=clock.now() + timedelta(days=300),
        )
        principals.append(await join.officer_principal(name, secret, clock))
    first, second = principals
    visit = Visit(
        CHEN_WEI.name, CHEN_WEI.citizen_id_number, ("居民身份证原件",), Presence.HANDWRITTEN_SIGNATURE, "SIGN-00000001"
    )
    check = await people.counter.examine(first, workstation, visit)
    await people.counter.decide(second, check.check_id, confirm=True)
    named = AgentDocument(LI_MING.name, LI_MING.citizen_id_number)
    draft = await people.assisted.draft(first, check.check_id, named, _terms(clock, uses_allowed=2))
    printed = await people.assisted.confirm(second, draft.mandate_id)
    return second, PaperMandate(printed.code, LI_MING.name, LI_MING.citizen_id_number)


async def test_an_enterprise_is_told_of_a_reading_ex_officio_through_who_answers_for_it(
    vault: Vault, people: People, join: Join, database: Database, clock: FixedClock, cipher: FieldCipher,
    giver: Principal, agent: Principal,
) -> None:  # fmt: skip
    company = COMPANIES[0]
    found = await people.legal_persons.verify(giver, company.credit_code, company.company_name)
    assert found is not None
    third = (await join.proven(CITIZENS[2], "third")).principal()
    for who, person, role in ((agent, LI_MING, "administrator"), (third, CITIZENS[2], "agent")):
        name = Named("liming" if who is agent else "third", person.name)
        await people.legal_persons.accept(
            who, await people.legal_persons.appoint(giver, found.legal_person_id, name, role)
        )
    holder = Holder(company.company_name, "001", company.credit_code)
    issued = await vault.licences.issue(BUREAU, food_request(holders=(holder,)))
    reader = replace(STRANGER, sender_constrained=True)
    seen = await vault.licences.get(reader, issued.identifier, WINDOW_CASE)
    async with database.read() as connection:
        kept = Notices(cipher, clock)
        told = {
            who.subject_id: [
                one.parameters["access_id"]
                for one in await kept.of_account(connection, who.subject_id)
                if one.kind == READ_NOTICE
            ]
            for who in (giver, agent, third)
        }
    assert told == {giver.subject_id: [seen.access_id], agent.subject_id: [seen.access_id], third.subject_id: []}


async def test_an_enterprises_agent_reads_and_entrusts_in_the_own_matters_only(
    vault: Vault, people: People, join: Join, clock: FixedClock, giver: Principal, agent: Principal
) -> None:
    company = COMPANIES[0]
    owner_session = await join.sign_in("chenwei")
    found = await people.legal_persons.verify(giver, company.credit_code, company.company_name)
    assert found is not None
    holder = Holder(company.company_name, "001", company.credit_code)
    issued = await vault.licences.issue(BUREAU, food_request(holders=(holder,), matter_code=MATTER))
    owner = (await people.sessions.act_for(owner_session, found.legal_person_id)).principal()
    assert [one.identifier for one in await vault.licences.of_holder(owner)] == [issued.identifier]
    agency = await people.legal_persons.appoint(
        giver, found.legal_person_id, Named("liming", LI_MING.name), "agent", matters=("500102-RESIDENCE",)
    )
    await people.legal_persons.accept(agent, agency)
    acting = (await people.sessions.act_for(await join.sign_in("liming"), found.legal_person_id)).principal()
    assert acting.kind is PrincipalKind.ENTERPRISE
    assert await vault.licences.of_holder(acting) == ()
    with pytest.raises(NotFound):
        await vault.licences.get(acting, issued.identifier)
    with pytest.raises(LicenceNotFound):
        await vault.shows.offer(acting, [issued.identifier])
    assert (await vault.licences.get(acting, issued.identifier, replace(CASE, matter_code="500102-RESIDENCE"))).face
    third = await join.proven(CITIZENS[2], "third")
    with pytest.raises(NotPermitted):
        await people.mandates.propose(acting, Named("third", CITIZENS[2].name), _terms(clock))
    within = _terms(clock, matters=("500102-RESIDENCE",))
    assert await people.mandates.propose(acting, Named("third", CITIZENS[2].name), within)
    assert third.person_id
    await people.legal_persons.dismiss(giver, agency)
    with pytest.raises(NotPermitted):
        await vault.licences.of_holder(acting)
    assert ISSUER
