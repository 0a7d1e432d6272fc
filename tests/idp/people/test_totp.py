from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from idp.people import totp

RFC_SECRET = b"12345678901234567890"
# RFC 6238 appendix B, SHA-1, eight digits.
RFC_VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


@pytest.mark.parametrize(("seconds", "code"), RFC_VECTORS)
def test_codes_are_those_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    step = totp.step_of(datetime.fromtimestamp(seconds, UTC))
    assert totp.code_at(RFC_SECRET, step, digits=8) == code
    assert totp.code_at(RFC_SECRET, step) == code[2:]


def test_one_step_of_drift_is_allowed_and_two_are_not() -> None:
    now = datetime(2026, 3, 2, 9, 30, 10, tzinfo=UTC)
    step = totp.step_of(now)
    code = totp.code_at(RFC_SECRET, step)
    for drift, accepted in ((-60, False), (-30, True), (0, True), (30, True), (60, False)):
        found = totp.matching_step(RFC_SECRET, code, now + timedelta(seconds=drift))
        assert found == (step if accepted else None)


@pytest.mark.parametrize("code", ["", "12345", "abcdef", "１２３４５６", "1234567"])
def test_what_is_no_code_matches_nothing(code: str) -> None:
    assert totp.matching_step(RFC_SECRET, code, datetime(2026, 3, 2, tzinfo=UTC)) is None


def test_the_provisioning_address_names_issuer_account_and_secret() -> None:
    uri = totp.provisioning_uri(RFC_SECRET, "officer.li", "虎符 演示市")
    assert uri.startswith("otpauth://totp/%E8%99%8E%E7%AC%A6%20%E6%BC%94%E7%A4%BA%E5%B8%82:officer.li?")
    assert f"secret={totp.secret_base32(RFC_SECRET)}" in uri
