"""Time-based one-time passwords (RFC 6238): SHA-1, 30 seconds, six digits, the form every app speaks."""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from datetime import datetime

STEP_SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20
MINIMUM_SECRET_BYTES = 16
DRIFT_STEPS = 1


def new_secret() -> bytes:
    """Return a random 160-bit secret, the length RFC 4226 section 4 recommends."""
    return secrets.token_bytes(SECRET_BYTES)


def step_of(moment: datetime) -> int:
    """Return the number of the 30-second step a moment lies in."""
    return int(moment.timestamp()) // STEP_SECONDS


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of one step.

    Standard: RFC 4226 section 5.3 with the step as counter.
    """
    mac = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    offset = mac[-1] & 0x0F
    value = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(value % 10**digits).zfill(digits)


def matching_step(secret: bytes, unverified_code: str, now: datetime) -> int | None:
    """Return the step a code belongs to, one step of clock drift either way allowed, or None.

    Every candidate is compared in constant time, so the answer's timing tells nothing.
    """
    code = unverified_code.strip().replace(" ", "")
    current = step_of(now)
    match = None
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            match = step
    return match


def secret_base32(secret: bytes) -> str:
    """Return the secret as apps take it when typed."""
    return base64.b32encode(secret).decode().rstrip("=")


def provisioning_uri(secret: bytes, account: str, issuer: str) -> str:
    """Return the `otpauth://` address that an app's camera reads."""
    query = urlencode({"secret": secret_base32(secret), "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS})
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?{query}"
