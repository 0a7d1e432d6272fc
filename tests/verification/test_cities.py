from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.clock import SystemClock
from foundation.errors import NotFound
from foundation.principal import ANONYMOUS, SYSTEM, Principal, PrincipalKind
from hufu import demo_city, seed
from keys.model import KeyPurpose
from licence_vault.model import LicenceState, ReasonCode, StateChange
from signing.model import SealRequest
from signing.tables import seals
from tests.support.servers import clone
from tests.verification.attacks import stripped
from tests.verification.city import BUREAU, City, small_city
from verification.model import Indication, Outcome, Reason, Verdict
from verification.offline import judge_code_offline
from verification.packs import read_pack
from verification.trust_lists import BadTrustList, read_trust_list

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from foundation.settings import Settings
    from tests.support.servers import TestServers
    from verification.model import Report
    from verification.service import VerificationService

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_trust")


class Wire(BaseHTTPRequestHandler):
    """Serves what each city publishes, by path."""

    pages: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.pages.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Wires:
    """Two addresses, one a city."""

    chongqing: HTTPServer
    guangyuan: HTTPServer
    pages: tuple[dict[str, bytes], dict[str, bytes]]


@pytest.fixture
def wires() -> Iterator[Wires]:
    pages: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
    servers = [HTTPServer(("127.0.0.1", 0), type("Page", (Wire,), {"pages": one})) for one in pages]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield Wires(servers[0], servers[1], pages)
    for server in servers:
        server.shutdown()
        server.server_close()
    for thread in threads:
        thread.join()


def named(settings: Settings, service_id: str, server: HTTPServer, **changes: object) -> Settings:
    values = {
        "service_id": service_id,
        "issuer": f"http://127.0.0.1:{server.server_port}",
        "outbound_networks": ("127.0.0.0/8",),
    }
    return settings.model_copy(update=values | changes)


@pytest.fixture
async def chongqing(settings: Settings, wires: Wires) -> AsyncIterator[City]:
    async with small_city(named(settings, "CN-5000", wires.chongqing)) as city:
        yield city


@pytest.fixture
async def guangyuan(
    settings: Settings, wires: Wires, servers: TestServers, tmp_path: Path, worker_name: str
) -> AsyncIterator[City]:
    other = named(
        settings,
        "CN-5108",
        wires.guangyuan,
        database_url=clone(servers, f"{worker_name}_guangyuan"),
        data_directory=tmp_path / "guangyuan",
    )
    async with small_city(other) as city:
        yield city


async def publish(city: City, pages: dict[str, bytes]) -> tuple[str, bytes]:
    """Put a city's list and status lists on its wire; return the list and its key's fingerprint."""
    parts = city.application.verification
    await parts.statuses.publish_changes()
    assert parts.cities is not None
    document = await parts.cities.own_list()
    pages["/api/v1/trust-list"] = document.encode()
    async with city.application.services.database.read() as connection:
        numbers = list(await city.application.vault.records.lists(connection))
    for number in numbers:
        pages[f"/status-lists/{number}"] = (await parts.statuses.published(number, as_cwt=True)).body
    info = await city.application.keys.service.active(KeyPurpose.TRUST_LIST)
    return document, hashlib.sha256(info.public_key_der).digest()


async def offline(city: City, text: str) -> Report:
    """Judge a code by a city's pack of this moment."""
    await city.application.verification.statuses.publish_changes()
    packs = city.application.verification.packs
    assert packs is not None
    return judge_code_offline(text, read_pack(await packs.build()), at=SystemClock().now())


async def a_pack_knows_their_codes_and_not_their_states(city: City, text: str) -> None:
    report = await offline(city, text)
    assert (report.verdict, report.reason) == (Verdict.UNDETERMINED, Reason.DATA_MISSING)
    looked_at = {check.name: check.outcome for check in report.checks}
    assert (looked_at["code.signature"], looked_at["code.link"]) == (Outcome.PASSED, Outcome.PASSED)


async def hear_of_a_revoked_issuer(chongqing: City, guangyuan: City, wires: Wires) -> None:
    """What an issuer's key signed is untrusted here at the next update, once it is declared compromised there."""
    service, cities = chongqing.application.services.verification, chongqing.application.verification.cities
    assert cities is not None
    licence = await guangyuan.issue("case-2")
    await publish(guangyuan, wires.pages[1])
    cities._statuses.clear()
    assert (await service.by_qr(ANONYMOUS, licence.qr_text)).report.verdict is Verdict.VALID
    keys = guangyuan.application.keys.service
    await keys.compromise(OPERATOR, (await keys.active(KeyPurpose.QR)).key_id, LONG_AGO)
    await publish(guangyuan, wires.pages[1])
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
    await publish(guangyuan, wires.pages[1])
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
    chongqing: City, guangyuan: City, wires: Wires
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

    document, pin = await publish(guangyuan, wires.pages[1])
    with pytest.raises(BadTrustList, match="fingerprint"):
        await cities.import_list(OPERATOR, document)
    with pytest.raises(BadTrustList, match="another key"):
        await cities.import_list(OPERATOR, document, pinned_key_sha256=bytes(32))
    await cities.import_list(OPERATOR, document, pinned_key_sha256=pin)
    own, own_pin = await publish(chongqing, wires.pages[0])
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

    await a_pack_knows_their_codes_and_not_their_states(chongqing, licence.qr_text)
    await no_other_department_there_makes_it_valid(guangyuan, service, pdf)
    await receipts_given_there_are_believed(guangyuan, service, licence.identifier)

    # And the other way round.
    theirs = there.verification.cities
    assert theirs is not None
    ours = await chongqing.issue()
    own, own_pin = await publish(chongqing, wires.pages[0])
    await theirs.import_list(OPERATOR, own, pinned_key_sha256=own_pin)
    assert (await there.services.verification.by_qr(ANONYMOUS, ours.qr_text)).report.verdict is Verdict.VALID

    # A licence withdrawn there is invalid here as soon as its list is older than its ttl.
    change = StateChange(LicenceState.REVOKED, ReasonCode.ILLEGAL_ACT, "吊销", "《食品安全法》")
    await guangyuan.change(licence.identifier, change)
    await publish(guangyuan, wires.pages[1])
    cities._statuses.clear()
    revoked = (await service.by_qr(ANONYMOUS, licence.qr_text)).report
    assert (revoked.verdict, revoked.reason) == (Verdict.INVALID, Reason.LICENCE_NOT_IN_FORCE)

    # An update brings the newer list; an older one is refused.
    await cities.update_all()
    assert (await cities.trusted())["CN-5108"].sequence >= read_trust_list(document).sequence

    await hear_of_a_revoked_issuer(chongqing, guangyuan, wires)

    # Withdrawn trust ends at once.
    await cities.withdraw(OPERATOR, "CN-5108")
    gone = (await service.by_qr(ANONYMOUS, licence.qr_text)).report
    assert (gone.verdict, gone.reason) == (Verdict.UNDETERMINED, Reason.CODE_ISSUER_UNKNOWN)
    with pytest.raises(NotFound):
        await cities.withdraw(OPERATOR, "CN-5108")


async def test_no_altered_list_is_read(chongqing: City, wires: Wires) -> None:
    document, _ = await publish(chongqing, wires.pages[0])
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
