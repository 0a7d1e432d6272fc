"""A new issuing CA in the place of an old one: who certifies, who answers, and until when."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from sqlalchemy import select

from foundation.errors import InvalidInput, NotPermitted
from foundation.principal import ANONYMOUS
from foundation.tables import audit_log
from keys.ca import RevocationReason
from keys.certificates import DELEGATED, Issuer
from keys.dual_control import Act
from keys.errors import BackupUnreadable, CertificateNotFound, KeyNotUsable, SecondOperatorRequired
from keys.jws import sign_jws
from keys.model import KeyInfo, KeyPurpose, KeyState
from keys.offline_root import certify_authority
from keys.rotation import rotate, rotate_authority
from tests.keys.support import CREDIT_CODE, digest_of, make_seal
from tests.keys.test_certificates import lint, verify, write_pki
from tests.keys.test_lists import number_of

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.assembly import Keys
    from keys.ceremony import CeremonyRecord


class Root:
    """The offline root, brought back by an operator with its file and passphrase."""

    def __init__(
        self, settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher, export: Path
    ) -> None:
        self._service = (settings, database, clock, cipher)
        self._export = export
        self.passphrase = export.with_suffix(".passphrase").read_text().strip()

    async def rotate(self, keys: Keys, operator: Principal, role: Issuer, algorithm: str = "ES256") -> KeyInfo:
        async def certify(key_id: str) -> KeyInfo:
            return await certify_authority(*self._service, operator, key_id, self._export, self.passphrase)

        return await rotate_authority(keys, operator, role, certify, algorithm=algorithm)


@pytest.fixture
def root(
    ceremony: CeremonyRecord, settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher
) -> Root:
    return Root(settings, database, clock, cipher, ceremony.root_export)


def issuer_name(info: KeyInfo) -> str:
    leaf, issuer = (x509.load_der_x509_certificate(der) for der in info.certificate_chain_der)
    assert leaf.issuer == issuer.subject
    return issuer.subject.rfc4514_string()


async def test_both_generations_of_every_ca_verify_and_answer(
    keys: Keys, root: Root, operator: Principal, second_operator: Principal, clock: FixedClock, tmp_path: Path
) -> None:
    before = await make_seal(keys, operator, "sel_before")
    old_tsa = await keys.service.active(KeyPurpose.TSA)
    for role in DELEGATED:
        await keys.service.request(second_operator, Act.ROTATE_CA, role)
        following = await root.rotate(keys, operator, role)
        assert (following.owner, following.state) == (f"{role}-2", KeyState.ACTIVE)
        assert (await keys.service.authority(role)).state is KeyState.RETIRING
    after = await make_seal(keys, operator, "sel_after")
    tsa = await rotate(keys, operator, KeyPurpose.TSA)
    assert issuer_name(before) != issuer_name(after)
    assert issuer_name(old_tsa) != issuer_name(tsa)

    await write_pki(keys, tmp_path)
    at = int(clock.now().timestamp()) + 60
    responders = keys.service.verification_keys(KeyPurpose.OCSP)
    assert len(responders) == 2 * len(DELEGATED)
    for info in (before, after, old_tsa, tsa, *responders):
        assert verify(tmp_path, info.certificate_chain_der[0], at) == "leaf.pem: OK\n"
        assert lint("lint_pkix_cert", info.certificate_chain_der[0]) == ""
    anchors = await keys.service.trust_anchors()
    assert len(anchors.intermediates_der) == 2 * len(DELEGATED)
    for der in anchors.intermediates_der:
        assert lint("lint_pkix_cert", der) == ""
    for issuer in await keys.ca.issuers():
        assert lint("lint_crl", await keys.ca.crl_der(issuer), "-t", "CRL", "-p", "PKIX") == ""
        assert await keys.ca.certificate_der(issuer) in (*anchors.roots_der, *anchors.intermediates_der)
    for info, owner in ((before, "seals"), (after, "seals-2")):
        answer = await keys.ocsp.response_for(info.certificate_chain_der[0])
        assert ocsp.load_der_ocsp_response(answer).certificate_status is ocsp.OCSPCertStatus.GOOD
        (responder,) = (one for one in responders if one.owner == owner)
        assert responder.certificate_chain_der[0] in answer

    await keys.ca.revoke(
        operator,
        x509.load_der_x509_certificate(before.certificate_chain_der[0]).serial_number,
        RevocationReason.SUPERSEDED,
    )
    await write_pki(keys, tmp_path)
    assert "certificate revoked" in verify(tmp_path, before.certificate_chain_der[0], at)
    assert verify(tmp_path, after.certificate_chain_der[0], at) == "leaf.pem: OK\n"


async def test_the_old_ca_goes_on_until_its_last_leaf_has_ended(
    keys: Keys, root: Root, operator: Principal, second_operator: Principal, clock: FixedClock
) -> None:
    assert keys.maintain is not None
    last = await make_seal(keys, operator, "sel_last")
    await keys.service.request(second_operator, Act.ROTATE_CA, Issuer.SEALS)
    await root.rotate(keys, operator, Issuer.SEALS)
    ends = x509.load_der_x509_certificate(last.certificate_chain_der[0]).not_valid_after_utc
    number = number_of(await keys.ca.crl_der(Issuer.SEALS))

    clock.advance(ends - clock.now() - timedelta(days=10))
    await keys.maintain()
    await keys.maintain()  # its responder's certificate was renewed by the first
    assert (await keys.service.authority(Issuer.SEALS)).state is KeyState.RETIRING
    assert number_of(await keys.ca.crl_der(Issuer.SEALS)) > number
    answer = ocsp.load_der_ocsp_response(await keys.ocsp.response_for(last.certificate_chain_der[0]))
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD

    clock.advance(timedelta(days=11))
    await keys.maintain()
    await keys.service.refresh(force=True)
    assert (await keys.service.authority(Issuer.SEALS)).state is KeyState.RETIRED
    assert Issuer.SEALS not in await keys.ca.issuers()
    final = await keys.ca.crl_der(Issuer.SEALS)
    clock.advance(timedelta(days=30))
    assert await keys.ca.crl_der(Issuer.SEALS) == final
    with pytest.raises(CertificateNotFound):
        await keys.ca.delta_crl_der(Issuer.SEALS)
    # What it certified is still judged: by timestamps from its time, under an anchor that stays.
    assert last.certificate_chain_der[1] in (await keys.service.trust_anchors()).intermediates_der
    assert "Seals CA 2" in issuer_name(await make_seal(keys, operator, "sel_new"))


@pytest.mark.parametrize("provider", ["software"], indirect=True)
async def test_one_operator_or_a_wrong_passphrase_makes_no_ca(
    keys: Keys, root: Root, operator: Principal, second_operator: Principal
) -> None:
    with pytest.raises(SecondOperatorRequired):
        await root.rotate(keys, operator, Issuer.SEALS)
    await keys.service.request(operator, Act.ROTATE_CA, Issuer.SEALS)
    with pytest.raises(SecondOperatorRequired):
        await root.rotate(keys, operator, Issuer.SEALS)
    await keys.service.request(second_operator, Act.ROTATE_CA, Issuer.PERSONS)
    with pytest.raises(SecondOperatorRequired):
        await root.rotate(keys, operator, Issuer.SEALS)
    await keys.service.request(second_operator, Act.ROTATE_CA, Issuer.SEALS)
    root.passphrase, right = "not the passphrase", root.passphrase
    with pytest.raises(BackupUnreadable):
        await root.rotate(keys, operator, Issuer.SEALS)
    root.passphrase = right
    with pytest.raises(NotPermitted):
        await root.rotate(keys, ANONYMOUS, Issuer.SEALS)
    with pytest.raises(InvalidInput):
        await root.rotate(keys, operator, Issuer.ROOT)
    assert issuer_name(await make_seal(keys, operator)) == issuer_name(await make_seal(keys, operator, "sel_two"))
    assert set(await keys.service.authorities()) == set(DELEGATED)
    # All of the refusals left one key that waits; the right order of things finishes with it.
    following = await root.rotate(keys, operator, Issuer.SEALS)
    assert following.owner == "seals-2"
    with pytest.raises(SecondOperatorRequired):
        await root.rotate(keys, operator, Issuer.SEALS)


@pytest.mark.parametrize("provider", ["software"], indirect=True)
async def test_a_rotation_that_was_interrupted_goes_on_where_it_stopped(
    keys: Keys,
    root: Root,
    operator: Principal,
    second_operator: Principal,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await keys.service.request(second_operator, Act.ROTATE_CA, Issuer.PERSONS)

    async def killed(*_: object) -> KeyInfo:
        raise ConnectionError

    with monkeypatch.context() as interrupted:
        interrupted.setattr(keys.ca, "issue_ocsp", killed)
        with pytest.raises(ConnectionError):
            await root.rotate(keys, operator, Issuer.PERSONS)
    assert Issuer("persons-2") not in await keys.ca.issuers()
    assert (await keys.service.authority(Issuer.PERSONS)).state is KeyState.ACTIVE
    with pytest.raises(KeyNotUsable):
        await root.rotate(keys, operator, Issuer.PERSONS, "RS256")
    following = await root.rotate(keys, operator, Issuer.PERSONS)
    assert (following.owner, following.state) == ("persons-2", KeyState.ACTIVE)
    async with database.read() as connection:
        query = select(audit_log.c.action).where(audit_log.c.object_id == following.key_id)
        assert sorted((await connection.execute(query)).scalars()) == ["keys.activate", "keys.create"]
        certified = (
            select(audit_log.c.detail).where(audit_log.c.action == "keys.certify").order_by(audit_log.c.audit_id)
        )
        details = [detail for detail in (await connection.execute(certified)).scalars() if "persons-2" in str(detail)]
    assert [detail["profile"] for detail in details] == ["issuing", "ocsp"]


@pytest.mark.parametrize("provider", ["software"], indirect=True)
async def test_after_a_compromise_another_ca_takes_over(
    keys: Keys, root: Root, operator: Principal, second_operator: Principal, clock: FixedClock
) -> None:
    compromised = await keys.service.authority(Issuer.SEALS)
    await keys.service.compromise(operator, compromised.key_id, clock.now())
    with pytest.raises(KeyNotUsable):
        await keys.ca.issue_ocsp(
            operator, (await keys.service.create(operator, KeyPurpose.OCSP, "seals")).key_id, Issuer.SEALS
        )
    await keys.service.request(second_operator, Act.ROTATE_CA, Issuer.SEALS)
    await root.rotate(keys, operator, Issuer.SEALS)
    seal = await make_seal(keys, operator)
    anchors = await keys.service.trust_anchors()
    assert seal.certificate_chain_der[1] in anchors.intermediates_der
    assert compromised.certificate_chain_der[0] not in anchors.intermediates_der
    assert await keys.tsa.timestamp(digest_of("the other CAs go on"))
    found = await keys.ca.search(subject_id=CREDIT_CODE)
    assert [str(one.issuer) for one in found] == ["seals-2"]


@pytest.mark.parametrize(
    "name", ["", "seal", "seals-1", "seals-0", "root-2", "seals-02", "SEALS", "seals-99999", "a-2"]
)
def test_what_names_no_ca_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no such CA"):
        Issuer(name)


def test_generations_are_numbered() -> None:
    assert (Issuer.SEALS.generation, Issuer.SEALS.following, Issuer("seals-9").following) == (1, "seals-2", "seals-10")
    assert Issuer("persons-12").role == Issuer.PERSONS


async def test_requests_to_wallets_are_signed_under_a_chain_without_its_anchor(keys: Keys, operator: Principal) -> None:
    first = await keys.service.active(KeyPurpose.PRESENTATION)
    second = await rotate(keys, operator, KeyPurpose.PRESENTATION)
    assert (await keys.service.active(KeyPurpose.PRESENTATION)).key_id == second.key_id != first.key_id
    signed = await sign_jws(keys.service, KeyPurpose.PRESENTATION, {"a": 1}, typ="oauth-authz-req+jwt", with_chain=True)
    leaf, issuing = (
        x509.load_der_x509_certificate(base64.b64decode(text)) for text in jwt.get_unverified_header(signed)["x5c"]
    )
    assert jwt.decode(signed, leaf.public_key(), algorithms=["ES256"]) == {"a": 1}
    leaf.verify_directly_issued_by(issuing)
    assert issuing.issuer != issuing.subject
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.content_commitment
