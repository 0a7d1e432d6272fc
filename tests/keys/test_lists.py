"""Full and delta lists: what stands in them, and that they come in time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from keys import issuing
from keys.ca import Issuer, RevocationReason
from keys.certificate_repository import CertificateRepository
from keys.certificates import DELEGATED
from keys.errors import CertificateNotFound
from keys.model import KeyPurpose
from tests.keys.support import digest_of, make_seal
from tests.keys.test_certificates import lint

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from keys.assembly import Keys

pytestmark = pytest.mark.parametrize("provider", ["software"], indirect=True)


def number_of(crl_der: bytes) -> int:
    crl = x509.load_der_x509_crl(crl_der)
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def serials_of(crl_der: bytes) -> set[int]:
    return {entry.serial_number for entry in x509.load_der_x509_crl(crl_der)}


def base_of(crl_der: bytes) -> int:
    crl = x509.load_der_x509_crl(crl_der)
    return crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number


async def revoke_new_seal(keys: Keys, operator: Principal, owner: str) -> int:
    seal = await make_seal(keys, operator, owner)
    serial = x509.load_der_x509_certificate(seal.certificate_chain_der[0]).serial_number
    await keys.ca.revoke(operator, serial, RevocationReason.SUPERSEDED)
    return serial


async def test_a_delta_holds_what_came_after_its_base(
    keys: Keys, operator: Principal, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await revoke_new_seal(keys, operator, "sel_1")
    clock.advance(timedelta(hours=7))
    full = await keys.ca.crl_der(Issuer.SEALS)
    assert serials_of(full) == {first}
    clock.advance(timedelta(minutes=10))
    monkeypatch.setattr(issuing, "FULL_LIST_AT_ONCE", 0)
    second = await revoke_new_seal(keys, operator, "sel_2")
    delta = await keys.ca.delta_crl_der(Issuer.SEALS)
    assert await keys.ca.crl_der(Issuer.SEALS) == full
    assert (serials_of(delta), base_of(delta)) == ({second}, number_of(full))
    assert number_of(delta) > number_of(full)
    extensions = x509.load_der_x509_crl(full).extensions
    assert not [each for each in extensions if each.oid == ExtensionOID.FRESHEST_CRL]
    assert lint("lint_crl", delta, "-t", "CRL", "-p", "PKIX") == ""
    clock.advance(timedelta(hours=7))
    assert serials_of(await keys.ca.crl_der(Issuer.SEALS)) == {first, second}


async def test_a_delta_follows_a_new_base(keys: Keys, clock: FixedClock) -> None:
    delta = await keys.ca.delta_crl_der(Issuer.SEALS)
    assert await keys.ca.delta_crl_der(Issuer.SEALS) == delta
    clock.advance(timedelta(hours=7))
    full = await keys.ca.crl_der(Issuer.SEALS)
    assert base_of(await keys.ca.delta_crl_der(Issuer.SEALS)) == number_of(full)
    with pytest.raises(CertificateNotFound):
        await keys.ca.delta_crl_der(Issuer.ROOT)


async def test_many_revocations_at_once_share_lists_and_none_is_missing(keys: Keys, operator: Principal) -> None:
    seals = [await make_seal(keys, operator, f"sel_{number}") for number in range(20)]
    serials = [x509.load_der_x509_certificate(seal.certificate_chain_der[0]).serial_number for seal in seals]
    before = number_of(await keys.ca.crl_der(Issuer.SEALS))
    await asyncio.gather(
        *(keys.ca.revoke(operator, serial, RevocationReason.CESSATION_OF_OPERATION) for serial in serials)
    )
    full = await keys.ca.crl_der(Issuer.SEALS)
    assert serials_of(full) == set(serials)
    assert number_of(full) - before < 20


async def test_what_only_a_delta_told_is_in_the_full_list_after_the_next_turn(
    keys: Keys, operator: Principal, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.maintain is not None
    monkeypatch.setattr(issuing, "FULL_LIST_AT_ONCE", -1)
    clock.advance(timedelta(minutes=1))
    serial = await revoke_new_seal(keys, operator, "sel_1")
    assert serial not in serials_of(await keys.ca.crl_der(Issuer.SEALS))
    clock.advance(timedelta(minutes=5))
    await keys.maintain()
    full = await keys.ca.crl_der(Issuer.SEALS)
    assert serial in serials_of(full)
    await keys.maintain()
    assert await keys.ca.crl_der(Issuer.SEALS) == full


async def test_maintenance_publishes_and_renews_in_time(keys: Keys, clock: FixedClock) -> None:
    assert keys.maintain is not None
    old = {issuer: number_of(await keys.ca.crl_der(issuer)) for issuer in await keys.ca.issuers()}
    responders = {info.owner: info.certificate_chain_der[0] for info in keys.service.verification_keys(KeyPurpose.OCSP)}
    clock.advance(timedelta(days=340))
    await keys.maintain()
    for issuer in (Issuer.PERSONS, Issuer.SEALS, Issuer.INFRASTRUCTURE):
        newest = x509.load_der_x509_crl(await keys.ca.crl_der(issuer))
        assert number_of(await keys.ca.crl_der(issuer)) > old[issuer]
        assert newest.last_update_utc == clock.now()
    await keys.service._register.refresh(force=True)
    for info in keys.service.verification_keys(KeyPurpose.OCSP):
        assert info.certificate_chain_der[0] != responders[info.owner]
        renewed = x509.load_der_x509_certificate(info.certificate_chain_der[0])
        assert renewed.not_valid_after_utc - clock.now() > timedelta(days=300)
    assert set(keys.periodic_jobs()) == {"keys.maintain"}


async def test_lists_are_on_time_while_the_signer_is_busy(
    keys: Keys, operator: Principal, clock: FixedClock, database: Database, cipher: FieldCipher
) -> None:
    """Callers who ask for timestamps and statuses without a pause hold neither lists nor revocations up."""
    assert keys.maintain is not None
    seals = [await make_seal(keys, operator, f"sel_{number}") for number in range(3)]
    clock.advance(timedelta(hours=7))
    done, answered = asyncio.Event(), 0

    async def ask(caller: int) -> None:
        nonlocal answered
        while not done.is_set():
            await keys.tsa.timestamp(digest_of(f"{caller} {answered}"))
            await keys.ocsp.response_for(seals[0].certificate_chain_der[0])
            answered += 1
            await asyncio.sleep(0)  # as a request's own socket would

    callers = [asyncio.create_task(ask(number)) for number in range(16)]
    await asyncio.sleep(0)
    serials = [x509.load_der_x509_certificate(seal.certificate_chain_der[0]).serial_number for seal in seals]
    async with asyncio.timeout(60):
        await keys.maintain()
        kept = [await newest_stored(database, cipher, issuer) for issuer in DELEGATED]
        await asyncio.gather(*(keys.ca.revoke(operator, serial, RevocationReason.SUPERSEDED) for serial in serials))
    busy = answered
    done.set()
    await asyncio.gather(*callers)
    assert busy >= len(callers), "nobody asked meanwhile"
    assert [crl.last_update_utc for crl in kept] == [clock.now()] * len(DELEGATED)
    listed = await newest_stored(database, cipher, Issuer.SEALS)
    assert {entry.serial_number for entry in listed} == set(serials)


async def newest_stored(database: Database, cipher: FieldCipher, issuer: Issuer) -> x509.CertificateRevocationList:
    """Read the newest list as it is stored: asking for it would make one that is due."""
    async with database.read() as connection:
        found = await CertificateRepository(connection, cipher).newest_list(issuer)
    assert found is not None
    return x509.load_der_x509_crl(found[1])
