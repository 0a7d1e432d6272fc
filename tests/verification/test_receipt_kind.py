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


def token(**header: str) -> str:
    claims = {"iss": "https://hufu.example", "iat": 1_790_000_000}
    return jws.serialize_compact(
        {"alg": "ES256", "kid": "receipts"} | header, json.dumps(claims).encode(), KEY, ["ES256"]
    )


def test_another_kind_of_token_signed_by_the_same_key_is_no_receipt() -> None:
    assert read_receipt(token(typ=TYPE), JWKS).claims["iss"] == "https://hufu.example"
    for header in ({}, {"typ": "JWT"}, {"typ": "statuslist+jwt"}, {"typ": TYPE.upper()}):
        with pytest.raises(ReceiptRefused) as refused:
            read_receipt(token(**header), JWKS)
        assert refused.value.reason is Reason.RECEIPT_FORGED
