"""One credential: what is good passes, every known attack does not, and each has its reason."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from tests.support.wallet import ISSUER, VCT, Credential, Holder, Issuer, b64url, digest, disclosure, sign
from tests.verification.presentation.support import (
    CLAIMS,
    CLIENT,
    NONCE,
    SECONDS,
    STATUS,
    Party,
    asking,
)
from verification.model import Outcome
from verification.presentation.credential import told
from verification.presentation.issuers import TrustKind
from verification.presentation.sd_jwt import MalformedSdJwt, disclose, read_sd_jwt
from verification.words import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

PARTY = Party()
MALFORMED = Reason.PRESENTATION_MALFORMED


def test_a_good_presentation_has_no_fault() -> None:
    examined = PARTY.judge(PARTY.present())
    assert (examined.reason, examined.vct, examined.status is not None) == (None, VCT, True)
    assert {check.outcome for check in examined.checks} == {Outcome.PASSED}
    assert told(examined.claims, asking().credentials[0]) == {
        "name": "陈伟",
        "licence_number": "JY25001010000042",
    }


def signed_by_another(party: Party) -> str:
    credential = party.credential()
    for_us: dict[str, Any] = {"audience": CLIENT, "nonce": NONCE, "iat": SECONDS}
    return Holder().present(credential, ["name", "licence_number"], **for_us)


def stripped(party: Party) -> str:
    return party.present().rpartition("~")[0] + "~"


def injected(party: Party) -> str:
    """Add a disclosure that no digest names, and let the holder sign for it."""
    credential = party.credential()
    added = {**credential.disclosures, "role": disclosure("c2FsdA", "role", "director")}
    return party.present(Credential(credential.jwt, added), ["name", "licence_number", "role"])


def swapped_after_signing(party: Party) -> str:
    """Leave out a disclosure the holder signed for."""
    parts = party.present().split("~")
    return "~".join([parts[0], parts[1], parts[-1]])


def another_issuer(party: Party) -> str:
    return party.present(Issuer().issue(party.holder.key, CLAIMS, iat=SECONDS, exp=SECONDS + 60, status=STATUS))


def own_key_in_header(party: Party) -> str:
    thief = Issuer()
    header = {"jwk": thief.key.as_dict(private=False)}
    return party.present(
        thief.issue(party.holder.key, CLAIMS, header=header, iat=SECONDS, exp=SECONDS + 60, status=STATUS)
    )


def resigned(party: Party, header: dict[str, Any], key: Any, claims: dict[str, Any] | None = None) -> str:  # noqa: ANN401 - any kind of key
    """Sign the issuer's part anew in a way no issuer does."""
    credential = party.credential()
    payload = claims or json.loads(base64.urlsafe_b64decode(credential.jwt.split(".")[1] + "=="))
    return party.present(Credential(sign(header, payload, key), credential.disclosures))


def public_key_as_secret(party: Party) -> str:
    """Make an HMAC with the public key as its secret, which libraries refuse to do."""
    credential = party.credential()
    header = b64url(json.dumps({"alg": "HS256", "typ": "dc+sd-jwt", "kid": "issuer-1"}).encode())
    signed = f"{header}.{credential.jwt.split('.')[1]}"
    mac = hmac.digest(party.issuer.key.as_pem(private=False), signed.encode(), "sha256")
    return party.present(Credential(f"{signed}.{b64url(mac)}", credential.disclosures))


def without_signature(party: Party) -> str:
    credential = party.credential()
    _, payload, signature = credential.jwt.split(".")
    header = b64url(json.dumps({"alg": "none", "typ": "dc+sd-jwt"}).encode())
    return party.present(Credential(f"{header}.{payload}.{signature}", credential.disclosures))


def nested_twice(party: Party) -> str:
    """Name one digest in two places, so that one disclosure would stand in both."""
    text = disclosure("c2FsdA", "name", "陈伟")
    claims = {"iss": ISSUER, "vct": VCT, "_sd": [digest(text)], "agent": {"_sd": [digest(text)]}}
    claims |= {"cnf": {"jwk": party.holder.key.as_dict(private=False)}, "status": STATUS}
    credential = Credential(sign(party.issuer.header("dc+sd-jwt"), claims, party.issuer.key), {"name": text})
    return party.present(credential, ["name"])


def with_payload(*disclosures: tuple[str, str], **payload: Any) -> Callable[[Party], str]:  # noqa: ANN401 - claims
    def build(party: Party) -> str:
        texts = dict(disclosures)
        claims = {"iss": ISSUER, "vct": VCT, "status": STATUS, "_sd": [digest(text) for text in texts.values()]}
        claims |= {"cnf": {"jwk": party.holder.key.as_dict(private=False)}, **payload}
        jwt = sign(party.issuer.header("dc+sd-jwt"), claims, party.issuer.key)
        return party.present(Credential(jwt, texts), list(texts))

    return build


def issued(**more: Any) -> Callable[[Party], str]:  # noqa: ANN401 - claims
    return lambda party: party.present(party.credential(**more))


def presented(**more: Any) -> Callable[[Party], str]:  # noqa: ANN401 - claims of the holder's signature
    return lambda party: party.present(**more)


SALTED = ("a", disclosure("c2FsdA", "name", "陈伟"))
ATTACKS: dict[str, tuple[Callable[[Party], object], Reason]] = {
    "replayed_to_another_verifier": (presented(audience="x509_hash:another"), Reason.PRESENTATION_REPLAYED),
    "nonce_of_another_request": (presented(nonce="another"), Reason.PRESENTATION_REPLAYED),
    "nonce_missing": (presented(nonce=None), Reason.PRESENTATION_REPLAYED),
    "several_audiences": (presented(audience=[CLIENT, "x"]), Reason.PRESENTATION_REPLAYED),
    "signed_before_the_request": (presented(iat=SECONDS - 600), Reason.PRESENTATION_REPLAYED),
    "signed_in_the_future": (presented(iat=SECONDS + 600), Reason.PRESENTATION_REPLAYED),
    "without_a_moment": (presented(iat=None), Reason.PRESENTATION_REPLAYED),
    "signature_over": (presented(exp=SECONDS), Reason.PRESENTATION_REPLAYED),
    "signature_not_yet_good": (presented(nbf=SECONDS + 600), Reason.PRESENTATION_REPLAYED),
    "bound_to_a_key_for_encryption": (
        lambda party: party.present(
            party.credential(cnf={"jwk": {**party.holder.key.as_dict(private=False), "use": "enc"}})
        ),
        Reason.HOLDER_NOT_PROVEN,
    ),
    "number_no_reader_agrees_on": (issued(points=1 << 64), MALFORMED),
    "moment_as_text": (presented(iat="now"), Reason.HOLDER_NOT_PROVEN),
    "signed_by_another_holder": (signed_by_another, Reason.HOLDER_NOT_PROVEN),
    "holder_signature_stripped": (stripped, Reason.HOLDER_NOT_PROVEN),
    "holder_signature_of_another_type": (presented(header={"typ": "JWT"}), Reason.HOLDER_NOT_PROVEN),
    "holder_brings_a_key": (presented(header={"jwk": {"kty": "EC"}}), Reason.HOLDER_NOT_PROVEN),
    "sd_hash_of_something_else": (presented(sd_hash="A" * 43), Reason.HOLDER_NOT_PROVEN),
    "disclosure_left_out_after_signing": (swapped_after_signing, Reason.HOLDER_NOT_PROVEN),
    "credential_bound_to_nobody": (issued(cnf=None), Reason.HOLDER_NOT_PROVEN),
    "bound_to_a_symmetric_key": (issued(cnf={"jwk": {"kty": "oct", "k": "AAAA"}}), Reason.HOLDER_NOT_PROVEN),
    "disclosure_injected": (injected, MALFORMED),
    "digest_named_twice": (nested_twice, MALFORMED),
    "issuer_unknown": (issued(iss="https://elsewhere.example"), Reason.CREDENTIAL_ISSUER_UNKNOWN),
    "issuer_impersonated": (another_issuer, Reason.CREDENTIAL_FORGED),
    "key_in_the_header": (own_key_in_header, MALFORMED),
    "public_key_as_hmac_secret": (public_key_as_secret, MALFORMED),
    "algorithm_none": (without_signature, MALFORMED),
    "another_type_of_token": (
        lambda party: resigned(party, {"alg": "ES256", "typ": "JWT", "kid": "issuer-1"}, party.issuer.key),
        MALFORMED,
    ),
    "critical_header": (
        lambda party: resigned(
            party,
            {"alg": "ES256", "typ": "dc+sd-jwt", "kid": "issuer-1", "crit": ["b64"], "b64": True},
            party.issuer.key,
        ),
        MALFORMED,
    ),
    "expired": (issued(exp=SECONDS - 1), Reason.CREDENTIAL_EXPIRED),
    "not_yet_valid": (issued(nbf=SECONDS + 600), Reason.CREDENTIAL_NOT_YET_VALID),
    "issued_in_the_future": (issued(iat=SECONDS + 600), Reason.CREDENTIAL_NOT_YET_VALID),
    "expiry_as_text": (issued(exp="never"), MALFORMED),
    "expiry_beyond_the_calendar": (issued(exp=1e300), MALFORMED),
    "another_credential_type": (issued(vct="https://credentials.example/other"), Reason.CREDENTIAL_ISSUER_UNKNOWN),
    "no_type": (issued(vct=""), MALFORMED),
    "status_missing": (issued(status=None), Reason.DATA_MISSING),
    "status_index_negative": (issued(status={"status_list": {"idx": -1, "uri": ISSUER}}), MALFORMED),
    "status_of_another_mechanism": (issued(status={"other": 1}), MALFORMED),
    "more_disclosed_than_asked": (
        presented(names=["name", "licence_number", "birthdate"]),
        Reason.DISCLOSED_TOO_MUCH,
    ),
    "less_disclosed_than_asked": (presented(names=["name"]), Reason.CREDENTIAL_NOT_ASKED_FOR),
    "another_digest_algorithm": (issued(_sd_alg="sha-512"), MALFORMED),
    "disclosed_name_reserved": (with_payload(("a", disclosure("c2FsdA", "_sd", ["x"]))), MALFORMED),
    "disclosed_name_is_dots": (with_payload(("a", disclosure("c2FsdA", "...", "x"))), MALFORMED),
    "disclosed_name_taken": (with_payload(SALTED, name="王芳"), MALFORMED),
    "disclosed_twice_by_two_digests": (
        with_payload(SALTED, ("b", disclosure("b3RoZXI", "name", "王芳"))),
        MALFORMED,
    ),
    "issuer_disclosed": (with_payload(("a", disclosure("c2FsdA", "iss", ISSUER)), iss=None), MALFORMED),
    "status_disclosed": (with_payload(("a", disclosure("c2FsdA", "status", STATUS)), status=None), MALFORMED),
    "element_where_a_claim_stands": (with_payload(("a", disclosure("c2FsdA", "x"))), MALFORMED),
    "digests_are_no_list": (with_payload(_sd="abc"), MALFORMED),
    "reserved_name_below": (with_payload(agent={"_sd_alg": "sha-256"}), MALFORMED),
    "dots_outside_a_list": (with_payload(agent={"...": "x"}), MALFORMED),
    "nested_too_deeply": (with_payload(agent=json.loads("[" * 40 + "]" * 40)), MALFORMED),
    "oversized": (lambda party: party.present() + "A" * 70_000, MALFORMED),
    "a_thousand_disclosures": (lambda party: party.credential().jwt + "~" + "W10~" * 1000, MALFORMED),
    "not_a_text": (lambda _: {"iss": ISSUER}, MALFORMED),
    "not_ascii": (lambda party: party.present() + "é", MALFORMED),
    "empty": (lambda _: "", MALFORMED),
    "only_tildes": (lambda _: "~~~", MALFORMED),
}


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_an_attack_fails_for_its_own_reason(name: str) -> None:
    build, reason = ATTACKS[name]
    examined = PARTY.judge(build(PARTY))
    assert examined.reason is reason, [check.detail.en for check in examined.checks]
    assert examined.checks[-1].outcome is not Outcome.PASSED
    assert examined.claims == {}


def test_an_issuer_is_trusted_for_its_own_types_only() -> None:
    elsewhere = PARTY.trusted(vct_values=frozenset({"https://credentials.example/other"}))
    assert PARTY.judge(PARTY.present(), trusted=elsewhere).reason is Reason.CREDENTIAL_ISSUER_UNKNOWN
    without_keys = PARTY.trusted(kind=TrustKind.ANCHORS, keys=())
    assert PARTY.judge(PARTY.present(), trusted=without_keys).reason is Reason.CREDENTIAL_ISSUER_UNKNOWN


def test_an_issuer_without_status_may_be_registered_so() -> None:
    examined = PARTY.judge(PARTY.present(PARTY.credential(status=None)), trusted=PARTY.trusted(status_required=False))
    assert (examined.reason, examined.status) == (None, None)
    assert examined.checks[-1].outcome is Outcome.NOT_APPLICABLE


def test_elements_of_lists_are_disclosed_one_by_one() -> None:
    shown, kept = disclosure("c2FsdA", "CN"), disclosure("b3RoZXI", "AT")
    claims = {"vct": VCT, "nationalities": [{"...": digest(kept)}, {"...": digest(shown)}, "DE"]}
    jwt = sign({"alg": "ES256", "typ": "dc+sd-jwt"}, claims, ECKey.generate_key("P-256"))
    disclosed = disclose(read_sd_jwt(f"{jwt}~{shown}~"))
    assert disclosed.claims["nationalities"] == ["CN", "DE"]
    assert disclosed.paths == (("nationalities", 0),)


def test_a_claim_inside_a_disclosed_object_is_found() -> None:
    inner = disclosure("aW5uZXI", "city", "演示市")
    outer = disclosure("b3V0ZXI", "address", {"_sd": [digest(inner)]})
    jwt = sign({"alg": "ES256", "typ": "dc+sd-jwt"}, {"vct": VCT, "_sd": [digest(outer)]}, ECKey.generate_key("P-256"))
    disclosed = disclose(read_sd_jwt(f"{jwt}~{outer}~{inner}~"))
    assert disclosed.claims["address"] == {"city": "演示市"}
    assert disclosed.paths == (("address",), ("address", "city"))


@pytest.mark.parametrize(
    "repeated",
    ['{"a":1,"a":2}', '{"a":NaN}', '{"a":1e999}', '{"a":-9223372036854775809}', '{"a":"\\ud800"}', "[1", "\xff"],
)
def test_json_that_can_be_read_in_two_ways_is_refused(repeated: str) -> None:
    part = b64url(repeated.encode("latin-1"))
    with pytest.raises(MalformedSdJwt):
        read_sd_jwt(f"{b64url(b'{}')}.{part}.AAAA~")


def test_base64url_has_one_form() -> None:
    good = PARTY.credential().jwt
    head, payload, signature = good.split(".")
    for text in (
        f"{head}=.{payload}.{signature}",
        f"{head}.{payload}.{signature[:-1]}B",
        f"{head}\n.{payload}.{signature}",
    ):
        with pytest.raises(MalformedSdJwt):
            read_sd_jwt(f"{text}~")


@settings(max_examples=300, deadline=None, database=None)
@given(data=st.data())
def test_no_change_of_a_presentation_is_ever_without_fault(data: st.DataObject) -> None:
    text = PRESENTED
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 3))
    changed = text[:start] + data.draw(st.text(alphabet="AZaz09-_.~=", max_size=3)) + text[start + length :]
    examined = PARTY.judge(changed)
    assert (examined.reason is None) == (changed == text)


@settings(max_examples=300, deadline=None, database=None)
@given(text=st.text(alphabet="AZaz09-_.~=eyJ", max_size=120))
def test_anything_at_all_gets_a_reason(text: str) -> None:
    assert PARTY.judge(text).reason is not None


PRESENTED = PARTY.present()
