"""Whose signature counts: certificates followed to anchors, and status lists that are fresh."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from joserfc.jwk import ECKey

from tests.support.wallet import Issuer
from tests.verification.pki import Pki, issue
from tests.verification.presentation.support import CLAIMS, NOW, STATUS, Party, asking
from verification.model import Outcome
from verification.presentation.issuers import TrustedIssuer, TrustKind, UntrustedIssuer
from verification.presentation.sd_jwt import MalformedSdJwt
from verification.presentation.statuses import judge_status, read_list
from verification.status.encoding import BadStatusList
from verification.trust import TrustMaterial
from verification.words import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.verification.pki import Identity

SECONDS = int(NOW.timestamp())
URI = str(STATUS["status_list"]["uri"])
CODE = "11500100009001018B"
EMPTY = TrustMaterial(())


def certified(pki: Pki, leaf: Identity, *, above: Sequence[Identity] | None = None) -> Party:
    """Return a party whose issuer signs under a certificate."""
    chain = [leaf, *(above if above is not None else [pki.issuing])]
    key = ECKey.import_key(_pem(leaf), {"kid": "issuer-1"})
    return Party(Issuer(key, None, [base64.b64encode(item.der).decode() for item in chain]))


def registered(material: TrustMaterial | None, **more: Any) -> TrustedIssuer:  # noqa: ANN401 - fields of an issuer
    fields: dict[str, Any] = {"kind": TrustKind.ANCHORS, "issuer": "", "keys": (), "material": material, **more}
    return Party().trusted(**fields)


@pytest.fixture(scope="module")
def leaf(pki: Pki) -> Identity:
    return issue("演示发证机关", pki.issuing, crl_url="http://ca.invalid/issuing.crl", organisation=f"NTRCN-{CODE}")


def test_a_chain_to_a_registered_anchor_is_an_issuer(pki: Pki, material: TrustMaterial, leaf: Identity) -> None:
    party = certified(pki, leaf)
    for issuer in (registered(material), registered(material, organisation_code=CODE)):
        assert party.judge(party.present(), trusted=issuer).reason is None
    alone = certified(pki, leaf, above=[])
    assert alone.judge(alone.present(), trusted=registered(material)).reason is None
    other = registered(material, organisation_code="11500100009001019A")
    assert party.judge(party.present(), trusted=other).reason is Reason.CREDENTIAL_ISSUER_UNKNOWN


def test_authorities_are_asked_for_by_key_identifier(pki: Pki, material: TrustMaterial, leaf: Identity) -> None:
    party = certified(pki, leaf)
    named = leaf.asn1.authority_key_identifier
    value = base64.urlsafe_b64encode(named).rstrip(b"=").decode()
    for values, reason in (([value], None), (["AAAA"], Reason.CREDENTIAL_NOT_ASKED_FOR)):
        query = asking(trusted_authorities=[{"type": "aki", "values": values}])
        assert party.judge(party.present(), query, trusted=registered(material)).reason is reason


def test_a_chain_that_does_not_hold_is_no_issuer(pki: Pki, material: TrustMaterial, leaf: Identity) -> None:
    unsuitable = issue("加密", pki.issuing, signing=False)
    old = issue("过期", pki.issuing, not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=2))
    silent, server = issue("未注明", pki.issuing), issue("网站", pki.issuing, usages=(ExtendedKeyUsageOID.SERVER_AUTH,))
    stale = tuple(pki.crl(one, at=NOW - timedelta(days=9)) for one in (pki.root, pki.issuing))
    cases = (
        (certified(Pki(), Pki().seal), material, Reason.CREDENTIAL_ISSUER_UNKNOWN),
        (certified(pki, unsuitable), material, Reason.CERTIFICATE_UNSUITABLE),
        (certified(pki, pki.issuing, above=[]), material, Reason.CERTIFICATE_UNSUITABLE),
        (certified(pki, old), material, Reason.CERTIFICATE_EXPIRED),
        (certified(pki, leaf), replace(material, crls_der=()), Reason.REVOCATION_DATA_MISSING),
        (certified(pki, leaf), replace(material, crls_der=stale), Reason.REVOCATION_DATA_MISSING),
        (certified(pki, silent), replace(material, crls_der=()), Reason.REVOCATION_DATA_MISSING),
        (certified(pki, server), material, Reason.CERTIFICATE_UNSUITABLE),
        (certified(pki, leaf), EMPTY, Reason.CREDENTIAL_ISSUER_UNKNOWN),
        (
            certified(pki, leaf),
            replace(material, untrusted_from={leaf.asn1.sha256: NOW - timedelta(days=1)}),
            Reason.KEY_COMPROMISED,
        ),
    )
    for party, anchors, reason in cases:
        assert party.judge(party.present(), trusted=registered(anchors)).reason is reason


@pytest.mark.parametrize("declares_crl", [True, False], ids=["named", "not named"])
def test_a_revoked_issuer_is_none(declares_crl: bool) -> None:  # noqa: FBT001 - parameter of a test
    pki = Pki(declares_crl=declares_crl)
    pki.revoked.append((pki.seal.certificate, NOW - timedelta(days=3)))
    material = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
    party = certified(pki, pki.seal)
    examined = party.judge(party.present(), trusted=registered(material))
    assert (examined.reason, examined.checks[-1].outcome) == (Reason.CERTIFICATE_REVOKED, Outcome.FAILED)


def test_the_chains_key_must_have_signed(pki: Pki, material: TrustMaterial, leaf: Identity) -> None:
    thief = certified(pki, leaf)
    thief.issuer.key = ECKey.generate_key("P-256")
    forged = thief.judge(thief.present(), trusted=registered(material))
    assert forged.reason is Reason.CREDENTIAL_FORGED


@pytest.mark.parametrize("x5c", [[], "AAAA", ["AAAA"], [1], ["A" * 9], ["MAA="] * 9], ids=repr)
def test_damaged_certificates_are_malformed(x5c: object) -> None:
    party = Party()
    credential = party.issuer.issue(party.holder.key, CLAIMS, header={"x5c": x5c}, status=STATUS)
    assert party.judge(party.present(credential)).reason is Reason.PRESENTATION_MALFORMED


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_values_are_read_at_every_width(bits: int) -> None:
    party = Party()
    token = party.issuer.status_list(URI, {0: 1, 5: 1, 9: 0}, iat=SECONDS, bits=bits)
    found = read_list(token, URI, party.trusted(), NOW)
    assert [found.at(index) for index in (0, 1, 5, 9, 100_000)] == [1, 0, 1, 0, None]


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (5, None),
        (6, Reason.CREDENTIAL_REVOKED),
        (7, Reason.CREDENTIAL_SUSPENDED),
        (8, Reason.CREDENTIAL_REVOKED),
        (100_000, Reason.DATA_MISSING),
    ],
)
def test_a_status_is_valid_revoked_suspended_or_unknown(index: int, reason: Reason | None) -> None:
    party = Party()
    token = party.issuer.status_list(URI, {6: 1, 7: 2, 8: 3}, iat=SECONDS)
    finding = judge_status(read_list(token, URI, party.trusted(), NOW), index, NOW)
    assert finding.reason is reason
    assert (finding.check.outcome is Outcome.PASSED) == (reason is None)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"iat": SECONDS - 90_000}, Reason.DATA_STALE),
        ({"iat": SECONDS - 90_000, "exp": SECONDS - 1}, Reason.DATA_STALE),
        ({"iat": SECONDS + 3600}, Reason.DATA_STALE),
        ({"iat": SECONDS - 90_000, "exp": SECONDS + 60}, None),
        ({"iat": SECONDS - 80_000}, None),
    ],
    ids=["old", "over", "of the future", "long", "fresh"],
)
def test_a_stale_list_never_says_valid(times: dict[str, int], reason: Reason | None) -> None:
    party = Party()
    found = read_list(party.issuer.status_list(URI, {}, **times), URI, party.trusted(), NOW)
    assert judge_status(found, 5, NOW).reason is reason
    assert judge_status(None, 5, NOW).reason is Reason.DATA_MISSING


def test_a_list_of_another_address_key_or_type_is_refused() -> None:
    party = Party()
    good = party.issuer.status_list(URI, {}, iat=SECONDS)
    with pytest.raises(BadStatusList):
        read_list(good, URI + "0", party.trusted(), NOW)
    with pytest.raises(BadStatusList):
        read_list(Issuer().status_list(URI, {}, iat=SECONDS), URI, party.trusted(), NOW)
    with pytest.raises(UntrustedIssuer):
        read_list(good, URI, party.trusted(keys=()), NOW)
    with pytest.raises(BadStatusList):
        read_list(
            party.issuer.status_list(URI, {}, iat=SECONDS, status_list={"bits": 3, "lst": ""}),
            URI,
            party.trusted(),
            NOW,
        )
    for token in (party.credential().jwt, party.issuer.status_list(URI, {}, iat=253_402_300_000)):
        with pytest.raises(MalformedSdJwt):
            read_list(token, URI, party.trusted(), NOW)


def _pem(identity: Identity) -> bytes:
    return identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
