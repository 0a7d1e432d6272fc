"""What a key of receipts signs is a receipt only when it says so."""

from __future__ import annotations

import json

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from verification.model import Reason
from verification.receipts import TYPE, ReceiptRefused, read_receipt

KEY = ECKey.generate_key("P-256", {"kid": "receipts"})
JWKS = {"keys": [KEY.as_dict(private=False)]}


CLAIMS = {
    "iss": "https://hufu.example",
    "jti": "rcp_1",
    "iat": 1_790_000_000,
    "asked_by": {"name": "client:x", "organisation": None},
    "subject": {"kind": "identifier", "sha256": None, "identifier": "1.2"},
    "verdict": "VALID",
    "reason": "all_checks_passed",
    "indication": None,
    "sub_indication": None,
    "checked_at": "2026-09-21T14:13:20+00:00",
    "data_as_of": "2026-09-21T14:13:20+00:00",
    "audit": {"number": 1, "commitment": "AA"},
    "checkpoint": None,
}


def token(claims: object = CLAIMS, **header: str) -> str:
    return jws.serialize_compact(
        {"alg": "ES256", "kid": "receipts"} | header, json.dumps(claims).encode(), KEY, ["ES256"]
    )


def test_another_kind_of_token_signed_by_the_same_key_is_no_receipt() -> None:
    assert read_receipt(token(typ=TYPE), JWKS).claims["iss"] == "https://hufu.example"
    for header in ({}, {"typ": "JWT"}, {"typ": "statuslist+jwt"}, {"typ": TYPE.upper()}):
        with pytest.raises(ReceiptRefused) as refused:
            read_receipt(token(**header), JWKS)
        assert refused.value.reason is Reason.RECEIPT_FORGED


@pytest.mark.parametrize("missing", sorted(set(CLAIMS) - {"asked_by", "audit", "checkpoint"}))
def test_a_token_that_lacks_what_a_receipt_says_is_none(missing: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != missing}
    for unfit in (claims, []):
        with pytest.raises(ReceiptRefused):
            read_receipt(token(unfit, typ=TYPE), JWKS)


def test_two_givers_may_name_their_keys_alike_and_each_speaks_for_itself() -> None:
    other = ECKey.generate_key("P-256", {"kid": "receipts"})
    theirs = other.as_dict(private=False) | {"iss": "https://other.example"}
    ours = JWKS["keys"][0] | {"iss": "https://hufu.example"}
    for keys in ([theirs, ours], [ours, theirs]):
        assert read_receipt(token(typ=TYPE), {"keys": keys}).claims == CLAIMS
        with pytest.raises(ReceiptRefused):
            read_receipt(token(CLAIMS | {"iss": "https://other.example"}, typ=TYPE), {"keys": keys})


@pytest.mark.parametrize("end", ["2020-01-01T00:00:00", "never", None, 5])
def test_a_key_that_ended_at_no_plain_moment_is_not_trusted(end: object) -> None:
    with pytest.raises(ReceiptRefused) as refused:
        read_receipt(token(typ=TYPE), {"keys": [JWKS["keys"][0] | {"not_trusted_from": end}]})
    assert refused.value.reason is Reason.KEY_COMPROMISED
