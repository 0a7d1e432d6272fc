from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import select

from api.app import create_app
from foundation.clock import SystemClock
from foundation.errors import NotFound
from foundation.principal import ANONYMOUS, SYSTEM, Principal, PrincipalKind
from hufu import demo_city, seed
from keys.model import KeyPurpose
from licence_vault.model import LicenceState, ReasonCode, StateChange
from signing.model import SealRequest
from signing.tables import seals
from tests.api.city import free_port, serve
from tests.support.servers import clone
from tests.verification.attacks import stripped
from tests.verification.city import BUREAU, City, small_city
from verification.model import Indication, Outcome, Reason, Verdict
from verification.offline import judge_code_offline
from verification.packs import LeftOut, read_pack
from verification.trust_lists import LIST_PATH, BadTrustList, read_trust_list

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.settings import Settings
    from tests.support.servers import TestServers
    from verification.model import Report
    from verification.service import VerificationService

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_trust")


def named(settings: Settings, service_id: str, **changes: object) -> Settings:
    values = {
        "service_id": service_id,
        "issuer": f"http://127.0.0.1:{free_port()}",
        "outbound_networks": ("127.0.0.0/8",),
    }
    return settings.model_copy(update=values | changes)


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[City]:
    """Open a city and serve the whole of it at its address."""
    async with small_city(settings) as city:
        server, serving = await serve(create_app(city.application.services), urlsplit(settings.issuer).port or 0)
        yield city
        server.should_exit = True
        await serving


@pytest.fixture
async def chongqing(settings: Settings) -> AsyncIterator[City]:
    async with served(named(settings, "CN-5000")) as city:
        yield city


@pytest.fixture
async def guangyuan(settings: Settings, servers: TestServers, tmp_path: Path, worker_name: str) -> AsyncIterator[City]:
    other = named(
        settings,
        "CN-5108",
        database_url=clone(servers, f"{worker_name}_guangyuan"),
        data_directory=tmp_path / "guangyuan",
    )
    async with served(other) as city:
        yield city


async def publish(city: City) -> tuple[str, bytes]:
    """Publish a city's status lists; return its trust list as served and its key's fingerprint."""
    await city.application.verification.statuses.publish_changes()
    async with httpx2.AsyncClient(base_url=city.application.settings.issuer) as http:
        document = (await http.get(LIST_PATH)).text
    info = await city.application.keys.service.active(KeyPurpose.TRUST_LIST)
    return document, hashlib.sha256(info.public_key_der).digest()


async def offline(city: City, text: str) -> Report:
    """Judge a code by a city's pack of this moment."""
    await city.application.verification.statuses.publish_changes()
    packs = city.application.verification.packs
    assert packs is not None
    return judge_code_offline(text, read_pack(await packs.build()), at=SystemClock().now())


async def fetched(city: City) -> None:
    """Let a worker fetch the neighbours' status lists."""
    assert city.application.verification.neighbours is not None
    await city.application.verification.neighbours.fetch_all()


async def a_pack_knows_their_codes_and_their_states(city: City, text: str) -> None:
    before = await offline(city, text)
    assert (before.verdict, before.reason) == (Verdict.UNDETERMINED, Reason.DATA_MISSING)
    looked_at = {check.name: check for check in before.checks}
    assert all(looked_at[name].outcome is Outcome.PASSED for name in ("code.signature", "code.link"))
    assert looked_at["licence.status"].detail == LeftOut.NOT_FETCHED.sentence
    await fetched(city)
    report = await offline(city, text)
    assert (report.verdict, report.reason) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED)
    await fetched(city)
    assert (await offline(city, text)).verdict is Verdict.VALID, "unchanged, and said so without sending it again"


async def their_lists_have_no_history_here(service: VerificationService, text: str, pdf: bytes) -> None:
    then = SystemClock().now()
    for report in (
        (await service.by_qr(ANONYMOUS, text, known_at=then)).report,
        (await service.by_pdf(ANONYMOUS, pdf, known_at=then)).report,
    ):
        assert (report.verdict, report.reason) == (Verdict.UNDETERMINED, Reason.NOT_KNOWN_THEN)


async def hear_of_a_revoked_issuer(chongqing: City, guangyuan: City) -> None:
    """What an issuer's key signed is untrusted here at the next update, once it is declared compromised there."""
    service, cities = chongqing.application.services.verification, chongqing.application.verification.cities
    assert cities is not None
    licence = await guangyuan.issue("case-2")
    await publish(guangyuan)
    cities._statuses.clear()
    assert (await service.by_qr(ANONYMOUS, licence.qr_text)).report.verdict is Verdict.VALID
    keys = guangyuan.application.keys.service
    await keys.compromise(OPERATOR, (await keys.active(KeyPurpose.QR)).key_id, LONG_AGO)
    await publish(guangyuan)
    assert (await service.by_qr(ANONYMOUS, licence.qr_text)).report.verdict is Verdict.VALID, "not told yet"
    await cities.update_all()
    untrusted = (await service.by_qr(ANONYMOUS, licence.qr_text)).report
    without = await offline(chongqing, licence.qr_text)
    for report in (untrusted, without):
        assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.KEY_COMPROMISED)

    pdf = (await guangyuan.application.vault.licences.face_pdf(BUREAU, licence.identifier)).pdf
    assert (await service.by_pdf(ANONYMOUS, pdf)).report.indication is Indication.TOTAL_PASSED
    async with guangyuan.application.services.database.read() as connection:
        chosen = select(seals.c.key_id).where(seals.c.organisation_code == BUREAU.organisation_code)
        seal_key = (await connection.execute(chosen)).scalar_one()
    await keys.compromise(OPERATOR, seal_key, LONG_AGO)
    guangyuan.application.verification.trust.forget()
    await publish(guangyuan)
    await cities.update_all()
    assert (await service.by_pdf(ANONYMOUS, pdf)).report.verdict is not Verdict.VALID


async def receipts_given_there_are_believed(guangyuan: City, service: VerificationService, identifier: str) -> None:
    """A trusted city's receipts are read as ours are, alone and on paper, and none that names another as its giver."""
    there = guangyuan.application.services.verification
    receipt = (await there.by_identifier(BUREAU, identifier)).receipt
    paper = await there.receipt_paper(receipt)
    for report in (await service.by_receipt(receipt), (await service.by_pdf(ANONYMOUS, paper)).report):
        assert (report.verdict, report.reason) == (Verdict.VALID, Reason.RECEIPT_GENUINE)
        assert guangyuan.application.settings.issuer in [fact.value.zh for fact in report.stated]
    there._issuer = service._issuer
    posing = (await there.by_identifier(BUREAU, identifier)).receipt
    refused = await service.by_receipt(posing)
    assert (refused.verdict, refused.reason) == (Verdict.INVALID, Reason.RECEIPT_FORGED)
    there._issuer = guangyuan.application.settings.issuer


async def no_other_department_there_makes_it_valid(
    guangyuan: City, service: VerificationService, document: bytes
) -> None:
    """A trusted city's other departments' seals are sound, and make no licence of what they did not issue."""
    there = guangyuan.application
    seal = await seed._seal(there, demo_city.LAND_BUREAU, 2, {})
    assert seal is not None
    resealed = await there.signing.sealing.seal_licence(SYSTEM, SealRequest(seal.seal_id, stripped(document)))
    forged = (await service.by_pdf(ANONYMOUS, resealed.document)).report
    assert (forged.verdict, forged.reason) == (Verdict.INVALID, Reason.LICENCE_SEALED_BY_ANOTHER)
    assert forged.indication is Indication.TOTAL_PASSED


async def test_two_cities_verify_each_other_and_hear_of_each_others_revocations(
    chongqing: City, guangyuan: City
) -> None:
    here, there = chongqing.application, guangyuan.application
    licence = await guangyuan.issue()
    pdf = (await there.vault.licences.face_pdf(BUREAU, licence.identifier)).pdf
    service, cities = here.services.verification, here.verification.cities
    assert cities is not None

    before = (await service.by_qr(ANONYMOUS, licence.qr_text)).report
    assert (before.verdict, before.reason) == (Verdict.UNDETERMINED, Reason.CODE_ISSUER_UNKNOWN)
    assert (await service.by_pdf(ANONYMOUS, pdf)).report.reason is Reason.CERTIFICATE_UNTRUSTED

    foreign = (await there.services.verification.by_identifier(BUREAU, licence.identifier)).receipt
    unknown = await service.by_receipt(foreign)
    assert (unknown.verdict, unknown.reason) == (Verdict.UNDETERMINED, Reason.RECEIPT_ISSUER_UNKNOWN)

    document, pin = await publish(guangyuan)
    with pytest.raises(BadTrustList, match="fingerprint"):
        await cities.import_list(OPERATOR, document)
    with pytest.raises(BadTrustList, match="another key"):
        await cities.import_list(OPERATOR, document, pinned_key_sha256=bytes(32))
    await cities.import_list(OPERATOR, document, pinned_key_sha256=pin)
    own, own_pin = await publish(chongqing)
    with pytest.raises(BadTrustList, match="our own"):
        await cities.import_list(OPERATOR, own, pinned_key_sha256=own_pin)

    by_code = (await service.by_qr(ANONYMOUS, licence.qr_text)).report
    assert (by_code.verdict, by_code.reason) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED)
    payload = licence.qr_text.rpartition("#")[2]
    for text, reason in (
        (f"https://evil.example/v#{payload}", Reason.CODE_LEADS_ELSEWHERE),
        (f"{here.settings.verify_page}#{payload}", Reason.ALL_CHECKS_PASSED),
    ):
        assert (await service.by_qr(ANONYMOUS, text)).report.reason is reason, text
    by_pdf = (await service.by_pdf(ANONYMOUS, pdf)).report
    assert by_pdf.verdict is Verdict.VALID
    await their_lists_have_no_history_here(service, licence.qr_text, pdf)
    await a_pack_knows_their_codes_and_their_states(chongqing, licence.qr_text)
    await no_other_department_there_makes_it_valid(guangyuan, service, pdf)
    await receipts_given_there_are_believed(guangyuan, service, licence.identifier)

    # And the other way round.
    theirs = there.verification.cities
    assert theirs is not None
    ours = await chongqing.issue()
    own, own_pin = await publish(chongqing)
    await theirs.import_list(OPERATOR, own, pinned_key_sha256=own_pin)
    assert (await there.services.verification.by_qr(ANONYMOUS, ours.qr_text)).report.verdict is Verdict.VALID

    # A licence withdrawn there is invalid here as soon as its list is older than its ttl.
    change = StateChange(LicenceState.REVOKED, ReasonCode.ILLEGAL_ACT, "吊销", "《食品安全法》")
    await guangyuan.change(licence.identifier, change)
    await publish(guangyuan)
    cities._statuses.clear()
    revoked = (await service.by_qr(ANONYMOUS, licence.qr_text)).report
    await fetched(chongqing)
    for report in (revoked, await offline(chongqing, licence.qr_text)):
        assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.LICENCE_NOT_IN_FORCE)

    # An update brings the newer list; an older one is refused.
    await cities.update_all()
    assert (await cities.trusted())["CN-5108"].sequence >= read_trust_list(document).sequence

    await hear_of_a_revoked_issuer(chongqing, guangyuan)

    # Withdrawn trust ends at once.
    await cities.withdraw(OPERATOR, "CN-5108")
    for report in ((await service.by_qr(ANONYMOUS, licence.qr_text)).report, await offline(chongqing, licence.qr_text)):
        assert (report.verdict, report.reason) == (Verdict.UNDETERMINED, Reason.CODE_ISSUER_UNKNOWN)
    with pytest.raises(NotFound):
        await cities.withdraw(OPERATOR, "CN-5108")


async def test_no_altered_list_is_read(chongqing: City) -> None:
    document, _ = await publish(chongqing)
    header, payload, signature = document.split(".")
    for forged in (
        f"{header}.{payload[:-8]}AAAAAAAA.{signature}",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        payload,
        "",
        "a.b.c",
    ):
        with pytest.raises(BadTrustList):
            read_trust_list(forged)
