"""The life of a seal: four eyes, order of steps, image, grants, replacement."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from PIL import Image
from sqlalchemy import select

from foundation.errors import Conflict, InvalidInput, NotPermitted
from foundation.principal import Principal, PrincipalKind
from foundation.tables import audit_log
from keys.ca import Issuer
from keys.errors import UnsupportedAlgorithm
from keys.model import KeyState
from signing.errors import (
    FourEyesRequired,
    GlyphMissing,
    SealKeyUnusable,
    SealNotActive,
    SealNotFound,
    SealStateConflict,
)
from signing.model import SealApplication, SealKind, SealRequest, SealState
from signing.tables import seals
from tests.signing.conftest import BOTH_PROVIDERS, BUREAU, OTHER, make_active

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from keys.assembly import Keys
    from signing.assembly import Signing
    from signing.model import Seal

pytestmark = BOTH_PROVIDERS
STATUTORY = SealApplication(BUREAU, SealKind.STATUTORY)
BUSINESS = SealApplication(BUREAU, SealKind.BUSINESS, "行政审批专用章")


async def test_a_seal_is_made_step_by_step_and_each_step_is_audited(
    signing: Signing, keeper: Principal, operator: Principal, database: Database, keys: Keys
) -> None:
    seal = await make_active(signing, keeper, operator)
    assert (seal.state, seal.name, seal.approved_by) == (
        SealState.ACTIVE,
        "演示市食品药品监督管理局",
        "operator:opr_first",
    )
    assert seal.key_id is not None
    key = await keys.service.get(seal.key_id)
    certificate = x509.load_der_x509_certificate(key.certificate_chain_der[0])
    names = {each.oid: each.value for each in certificate.subject}
    assert names[NameOID.ORGANIZATION_NAME] == "演示市食品药品监督管理局"
    assert BUREAU in str(names[NameOID.ORGANIZATION_IDENTIFIER])
    async with database.read() as connection:
        actions = await connection.execute(
            select(audit_log.c.action).where(audit_log.c.object_id == seal.seal_id).order_by(audit_log.c.audit_id)
        )
    assert list(actions.scalars()) == ["seal.apply", "seal.approve", "seal.make", "seal.file", "seal.activate"]


async def test_steps_out_of_order_are_refused(signing: Signing, keeper: Principal, operator: Principal) -> None:
    seal = await signing.seals.apply(keeper, STATUTORY)
    for step in (signing.seals.make, signing.seals.activate):
        with pytest.raises(SealStateConflict, match="applied"):
            await step(operator, seal.seal_id)
    with pytest.raises(SealStateConflict):
        await signing.seals.file(operator, seal.seal_id, filing_number="1")
    await signing.seals.reject(operator, seal.seal_id, reason="材料不全")
    with pytest.raises(SealStateConflict, match="rejected"):
        await signing.seals.approve(operator, seal.seal_id)


async def test_who_applied_does_not_approve(signing: Signing, operator: Principal, second_operator: Principal) -> None:
    seal = await signing.seals.apply(operator, STATUTORY)
    with pytest.raises(FourEyesRequired):
        await signing.seals.approve(operator, seal.seal_id)
    assert (await signing.seals.approve(second_operator, seal.seal_id)).state is SealState.APPROVED


async def test_who_may_do_what(
    signing: Signing, officer: Principal, keeper: Principal, client: Principal, seal: Seal
) -> None:
    stranger = replace(keeper, organisation_code=OTHER)
    for nobody in (stranger, officer, client):
        with pytest.raises(NotPermitted):
            await signing.seals.apply(nobody, STATUTORY)
        with pytest.raises(NotPermitted):
            await signing.seals.suspend(nobody, seal.seal_id, reason="x")
    for act in (signing.seals.approve, signing.seals.make, signing.seals.activate):
        with pytest.raises(NotPermitted):
            await act(keeper, seal.seal_id)
    with pytest.raises(NotPermitted):
        await signing.seals.cancel(keeper, seal.seal_id, reason="x")
    for reader in (stranger, Principal(PrincipalKind.PERSON, "acc_chen")):
        with pytest.raises(SealNotFound):
            await signing.seals.image(reader, seal.seal_id)
        with pytest.raises(SealNotFound):
            await signing.seals.uses(reader, seal.seal_id)


@pytest.mark.parametrize(
    ("application", "field"),
    [
        (replace(STATUTORY, lower_text="专用"), "lower_text"),
        (replace(BUSINESS, lower_text=""), "lower_text"),
        (replace(BUSINESS, lower_text="专" * 17), "lower_text"),
        (replace(BUSINESS, lower_text="专\n用"), "lower_text"),
        (replace(STATUTORY, holder_name="陈伟"), "holder_name"),
        (SealApplication(BUREAU, SealKind.PERSONAL), "holder_name"),
        (replace(STATUTORY, organisation_code="11500100MB0000000Z"), "organisation_code"),
        (replace(BUSINESS, replaces="seal_unknown"), "replaces"),
    ],
)
async def test_a_bad_application_names_its_field(
    signing: Signing, operator: Principal, application: SealApplication, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await signing.seals.apply(operator, application)
    assert caught.value.field == field


async def test_an_application_no_font_can_draw_names_the_character(
    signing: Signing, operator: Principal, database: Database
) -> None:
    with pytest.raises(GlyphMissing, match=r"U\+1F600"):
        await signing.seals.apply(operator, replace(BUSINESS, lower_text="专用章\U0001f600"))
    async with database.read() as connection:
        assert (await connection.execute(select(seals))).all() == []


async def test_algorithms_no_reader_checks_are_refused(signing: Signing, operator: Principal) -> None:
    with pytest.raises(UnsupportedAlgorithm):
        await signing.seals.apply(operator, replace(STATUTORY, algorithm="ed25519"))


async def test_an_organisation_has_one_statutory_seal_and_any_number_of_others(
    signing: Signing, seal: Seal, operator: Principal, second_operator: Principal
) -> None:
    with pytest.raises(SealStateConflict):
        await signing.seals.apply(operator, STATUTORY)
    business = await make_active(
        signing, operator, second_operator, kind=SealKind.BUSINESS, filing_number="2", lower_text="行政审批专用章"
    )
    assert business.key_id != seal.key_id
    assert (await signing.seals.statutory_seal(BUREAU)).seal_id == seal.seal_id
    with pytest.raises(SealNotFound):
        await signing.seals.statutory_seal(OTHER)


async def test_a_filing_number_is_used_once(
    signing: Signing, seal: Seal, operator: Principal, second_operator: Principal
) -> None:
    assert seal.filing_number is not None
    with pytest.raises(Conflict):
        await make_active(signing, operator, second_operator, organisation_code=OTHER, filing_number=seal.filing_number)


async def test_making_anew_cancels_the_old_seal_and_its_certificate(
    signing: Signing, seal: Seal, operator: Principal, second_operator: Principal, client: Principal, licence: bytes
) -> None:
    new = await make_active(signing, operator, second_operator, filing_number="9", replaces=seal.seal_id)
    assert (await signing.seals.get(seal.seal_id)).state is SealState.CANCELLED
    assert (await signing.seals.statutory_seal(BUREAU)).seal_id == new.seal_id
    with pytest.raises(SealNotActive):
        await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))
    assert (await signing.sealing.seal(client, SealRequest(new.seal_id, licence))).use_number == 1


async def test_a_suspended_seal_rests_and_a_cancelled_one_is_over(
    signing: Signing, seal: Seal, keeper: Principal, operator: Principal, client: Principal, licence: bytes, keys: Keys
) -> None:
    request = SealRequest(seal.seal_id, licence)
    await signing.seals.suspend(keeper, seal.seal_id, reason="印章遗失")
    with pytest.raises(SealNotActive, match="suspended"):
        await signing.sealing.seal(client, request)
    await signing.seals.activate(operator, seal.seal_id)
    await signing.sealing.seal(client, request)
    await signing.seals.cancel(operator, seal.seal_id, reason="机构撤销")
    await signing.seals.cancel(operator, seal.seal_id, reason="again, after an outage")
    with pytest.raises(SealNotActive, match="cancelled"):
        await signing.sealing.seal(client, request)
    with pytest.raises(SealStateConflict):
        await signing.seals.activate(operator, seal.seal_id)
    assert seal.key_id is not None
    certificate = x509.load_der_x509_certificate((await keys.service.get(seal.key_id)).certificate_chain_der[0])
    revoked = x509.load_der_x509_crl(await keys.ca.crl_der(Issuer.SEALS))
    assert revoked.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


async def test_a_seal_whose_key_does_not_sign_is_not_put_to_use(
    signing: Signing, seal: Seal, operator: Principal, keys: Keys, clock: FixedClock
) -> None:
    assert seal.key_id is not None
    await signing.seals.suspend(operator, seal.seal_id, reason="检查")
    await keys.service.compromise(operator, seal.key_id, clock.now())
    assert (await keys.service.get(seal.key_id)).state is KeyState.COMPROMISED
    with pytest.raises(SealKeyUnusable):
        await signing.seals.activate(operator, seal.seal_id)
    assert (await signing.seals.get(seal.seal_id)).state is SealState.SUSPENDED


async def test_an_expired_certificate_stops_sealing(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, clock: FixedClock
) -> None:
    clock.advance(timedelta(days=20 * 365))
    with pytest.raises(SealKeyUnusable, match="not valid at this time"):
        await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))


async def test_images_are_encrypted_at_rest_and_shown_to_their_organisation(
    signing: Signing, seal: Seal, officer: Principal, database: Database
) -> None:
    image = await signing.seals.image(officer, seal.seal_id)
    picture = Image.open(io.BytesIO(image.png))
    assert picture.size == (600, 600)
    assert picture.mode == "RGBA"
    async with database.read() as connection:
        row = (await connection.execute(select(seals.c.image_form, seals.c.image_png))).one()
    assert image.form not in row.image_form
    assert b"PNG" not in row.image_png
