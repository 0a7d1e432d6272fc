from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from foundation.errors import NotFound
from foundation.principal import ANONYMOUS
from licence_vault.model import LicenceState, ReasonCode, StateChange
from tests.verification.attacks import replace_page_content
from tests.verification.city import BUREAU, City, small_city
from tests.verification.samples import update
from tests.verification.sequencing import sequence_all
from verification.anchors import read_anchors
from verification.model import Reason, Verdict
from verification.offline import judge_code_offline, judge_document_offline
from verification.own_documents import without_state
from verification.packs import read_pack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings


@pytest.fixture
async def city(settings: Settings) -> AsyncIterator[City]:
    async with small_city(settings) as city:
        yield city


async def test_a_licence_is_verified_in_every_way_and_stops_being_valid_in_every_way(city: City) -> None:
    application = city.application
    service, parts = application.services.verification, application.verification
    licence = await city.issue()
    document = await application.vault.licences.face_pdf(BUREAU, licence.identifier)
    pdf = document.pdf

    by_identifier = (await service.by_identifier(ANONYMOUS, licence.identifier)).report
    by_code = (await service.by_qr(ANONYMOUS, licence.qr_text)).report
    known = (await service.by_pdf(ANONYMOUS, pdf)).report
    assert [by_identifier.verdict, by_code.verdict, known.verdict] == [Verdict.VALID] * 3
    assert known.checks[0].name == "pdf.known_document"

    # The same document with harmless bytes behind it is unknown, so it is parsed and compared field by field.
    parsed = (await service.by_pdf(ANONYMOUS, pdf + b"\n")).report
    assert (parsed.verdict, parsed.reason) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED)
    assert parsed.comparisons
    assert all(item.same for item in parsed.comparisons)
    assert parsed.code_text is not None

    # Offline: published status lists and a pack.
    await parts.statuses.publish_changes()
    assert parts.packs is not None
    before = read_pack(await parts.packs.build())
    now = application.services.clock.now()
    assert judge_code_offline(licence.qr_text, before, at=now).verdict is Verdict.VALID
    offline = await parts.sandbox.validate(pdf, before.material, at=now)
    assert judge_document_offline(offline, offline.code_text, before, at=now).verdict is Verdict.VALID

    # By anchors alone the seal is judged and nothing is said of the licence's state.
    lists = [
        x509.load_der_x509_crl(await application.keys.ca.crl_der(issuer))
        for issuer in await application.keys.ca.issuers()
    ]
    pem = (await application.keys.service.trust_anchors()).pem().encode() + b"".join(
        one.public_bytes(Encoding.PEM) for one in lists
    )
    alone = without_state(await parts.sandbox.validate(pdf, read_anchors(pem), at=now))
    assert (alone.verdict, alone.reason) == (Verdict.VALID, Reason.LICENCE_STATE_NOT_CHECKED)

    await city.change(
        licence.identifier, StateChange(LicenceState.REVOKED, ReasonCode.ILLEGAL_ACT, "吊销", "《食品安全法》")
    )
    for report in (
        (await service.by_identifier(ANONYMOUS, licence.identifier)).report,
        (await service.by_qr(ANONYMOUS, licence.qr_text)).report,
        (await service.by_pdf(ANONYMOUS, pdf)).report,
        (await service.by_pdf(ANONYMOUS, pdf + b"\n")).report,
    ):
        assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.LICENCE_REVOKED)
    await parts.statuses.publish_changes()
    after = read_pack(await parts.packs.build())
    withdrawn = judge_code_offline(licence.qr_text, after, at=application.services.clock.now())
    assert (withdrawn.verdict, withdrawn.reason) == (Verdict.INVALID, Reason.LICENCE_NOT_IN_FORCE)
    published = await parts.statuses.published(next(iter(after.statuses)), as_cwt=False)
    assert published.media_type == "application/statuslist+jwt"


async def test_a_changed_licence_is_caught(city: City) -> None:
    service = city.application.services.verification
    licence = await city.issue()
    document = await city.application.vault.licences.face_pdf(BUREAU, licence.identifier)
    pdf = document.pdf
    assert (await service.by_pdf(ANONYMOUS, update(pdf, replace_page_content))).report.verdict is Verdict.INVALID
    assert (await service.by_pdf(ANONYMOUS, pdf + b"%more")).report.verdict is Verdict.INVALID


async def test_a_receipt_names_the_tree_it_was_given_under(city: City) -> None:
    application = city.application
    licence = await city.issue()
    await sequence_all(application.verification.log, application.services.database)
    verified = await application.services.verification.by_identifier(ANONYMOUS, licence.identifier)
    payload = verified.receipt.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    latest = await application.verification.log.checkpoint()
    assert claims["checkpoint"]["size"] == latest.size
    with pytest.raises(NotFound):
        await application.verification.log.inclusion(claims["audit"]["number"])
    await sequence_all(application.verification.log, application.services.database)
    proof = await application.verification.log.inclusion(claims["audit"]["number"])
    assert proof.leaf_index >= claims["checkpoint"]["size"]
