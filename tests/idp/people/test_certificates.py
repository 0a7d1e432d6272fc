"""Proving and signing in with an own certificate: chain, signature, holder, revocation, expiry."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.errors import NotFound, NotPermitted
from foundation.principal import Channel
from foundation.settings import BadSettings
from idp.people.certificate_anchors import CertificateAnchors
from idp.people.certificates import CertificateService
from idp.people.errors import RealNameConflict, SignInRefused
from idp.people.proof import Method, Outcome
from idp.people.session import Arrival
from tests.conftest import NOW
from tests.idp.people.conftest import CHEN_WEI, Join
from tests.support.person_ca import Authority, Card
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.cache import Cache
    from foundation.clock import FixedClock
    from idp.people.assembly import People

HERE = Arrival("192.0.2.9", Channel.WEB)
ENDS = NOW + timedelta(days=200)


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    directory = tmp_path / "anchors"
    directory.mkdir()
    return Authority(directory, NOW)


@pytest.fixture
def service(people: People, cache: Cache, ca: Authority) -> CertificateService:
    anchors = CertificateAnchors(ca.directory)
    issuer = "http://localhost:8000"
    return CertificateService(people.sessions._tools, people.sessions, cache, anchors, issuer=issuer)


async def _prove(service: CertificateService, join: Join, card: Card, username: str = "chenwei") -> Outcome:
    principal = (await join.sign_in(username)).principal()
    ceremony = await service.begin(principal)
    return (await service.prove(principal, ceremony.ceremony_id, card.pem, card.sign(ceremony.to_sign))).outcome


async def test_an_own_certificate_gives_l3_until_it_ends(
    service: CertificateService, people: People, join: Join, ca: Authority, clock: FixedClock
) -> None:
    session = await join.citizen()
    assert await _prove(service, join, ca.issue(CHEN_WEI)) is Outcome.MATCH
    after = await join.again(session)
    assert after.acr == "L3"
    (evidence,) = await people.real_name.evidence(after.principal())
    assert (evidence.method, evidence.authority, evidence.expires_at) == (
        Method.CERTIFICATE,
        "演示市个人证书 CA",
        ENDS.replace(microsecond=0),
    )
    claims = await people.accounts.claims(session.account_id, {"real_name"})
    assert claims["verified_claims"]["verification"]["evidence"][0]["record"]["type"].endswith("certificate")
    clock.advance(timedelta(days=201))
    assert (await join.sign_in("chenwei")).acr == "L0"


async def test_a_certificate_signs_in_to_the_account_it_proved(
    service: CertificateService, join: Join, ca: Authority
) -> None:
    session, card, other = await join.citizen(), ca.issue(CHEN_WEI), ca.issue(CHEN_WEI)
    await _prove(service, join, card)
    ceremony = await service.begin_sign_in(source="192.0.2.9")
    signed_in = await service.sign_in(ceremony.ceremony_id, card.pem, card.sign(ceremony.to_sign), HERE)
    assert (signed_in.account_id, signed_in.amr) == (session.account_id, ("swk",))
    with pytest.raises(NotFound):
        await service.sign_in(ceremony.ceremony_id, card.pem, card.sign(ceremony.to_sign), HERE)
    ceremony = await service.begin_sign_in(source="192.0.2.9")
    with pytest.raises(SignInRefused):
        await service.sign_in(ceremony.ceremony_id, other.pem, other.sign(ceremony.to_sign), HERE)


async def test_a_revoked_certificate_proves_nothing_and_takes_its_evidence_along(
    service: CertificateService, people: People, join: Join, ca: Authority
) -> None:
    session, card = await join.citizen(), ca.issue(CHEN_WEI)
    await _prove(service, join, card)
    assert await service.recheck(people.upkeep) == 0
    ca.publish(card.certificate.serial_number)
    assert await service.recheck(people.upkeep) == 1
    assert (await join.again(session)).acr == "L0"
    assert await _prove(service, join, card) is Outcome.MISMATCH
    ceremony = await service.begin_sign_in(source="192.0.2.9")
    with pytest.raises(SignInRefused):
        await service.sign_in(ceremony.ceremony_id, card.pem, card.sign(ceremony.to_sign), HERE)


@pytest.mark.parametrize("stale", ["gone", "old", "garbage"])
async def test_without_a_current_list_nothing_is_said(
    service: CertificateService, people: People, join: Join, ca: Authority, stale: str
) -> None:
    await join.citizen()
    card = ca.issue(CHEN_WEI)
    await _prove(service, join, card)
    if stale == "old":
        ca.publish(card.certificate.serial_number, next_update=NOW - timedelta(seconds=1))
    elif stale == "garbage":
        (ca.directory / "ca.crl").write_bytes(b"half a lis")
    else:
        (ca.directory / "ca.crl").unlink()
    assert await _prove(service, join, card) is Outcome.UNAVAILABLE
    assert await service.recheck(people.upkeep) == 0


async def test_what_is_not_to_be_believed_proves_nothing(
    service: CertificateService, join: Join, ca: Authority, tmp_path: Path
) -> None:
    session = await join.citizen()
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    foreign = Authority(stranger, NOW)
    for card in (
        foreign.issue(CHEN_WEI),
        ca.issue(CHEN_WEI, ends=NOW - timedelta(seconds=1)),
        ca.issue(CHEN_WEI, number="IDCCN-500101199003070220"),
        ca.issue(CHEN_WEI, number="500101199003070225"),
        ca.issue(CHEN_WEI, signs=False),
    ):
        assert await _prove(service, join, card) is Outcome.MISMATCH
    good = ca.issue(CHEN_WEI)
    principal = session.principal()
    for pem, signature in ((good.pem, ca.issue(CHEN_WEI).sign("x")), ("nonsense", "AAAA"), (good.pem, "!")):
        ceremony = await service.begin(principal)
        result = await service.prove(principal, ceremony.ceremony_id, pem, signature)
        assert (result.outcome, result.level) == (Outcome.MISMATCH, "L0")


async def test_a_challenge_is_for_one_account_and_one_purpose(
    service: CertificateService, join: Join, ca: Authority
) -> None:
    mine, other = (await join.citizen()).principal(), (await join.citizen("liming")).principal()
    card = ca.issue(CHEN_WEI)
    ceremony = await service.begin(other)
    with pytest.raises(NotFound):
        await service.prove(mine, ceremony.ceremony_id, card.pem, card.sign(ceremony.to_sign))
    ceremony = await service.begin(mine)
    with pytest.raises(NotFound):
        await service.sign_in(ceremony.ceremony_id, card.pem, card.sign(ceremony.to_sign), HERE)


async def test_another_persons_certificate_is_a_conflict(
    service: CertificateService, join: Join, ca: Authority
) -> None:
    await join.proven()
    with pytest.raises(RealNameConflict):
        await _prove(service, join, ca.issue(CITIZENS[1]))


async def test_without_anchors_no_certificate_is_taken(people: People, join: Join, tmp_path: Path) -> None:
    principal = (await join.citizen()).principal()
    assert not people.certificates.offered
    with pytest.raises(NotPermitted):
        await people.certificates.begin(principal)
    with pytest.raises(BadSettings, match="HUFU_PERSON_ANCHORS"):
        CertificateAnchors(tmp_path)
