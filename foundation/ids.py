"""Identifiers and secrets.

An object identifier is a short prefix and a time-ordered 128-bit value
(RFC 9562 version 7) in lower-case base32, so that rows inserted together lie
together and a log line says what kind of thing it names.
"""

from __future__ import annotations

import base64
import os
import secrets
import time


def new_id(prefix: str) -> str:
    """Return a new identifier such as `lic_06f3k…` (prefix, underscore, 26 characters)."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds << 80) | random
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    encoded = base64.b32hexencode(value.to_bytes(16, "big")).decode("ascii")
    return f"{prefix}_{encoded.rstrip('=').lower()}"


def new_secret(bits: int = 256) -> str:
    """Return a random URL-safe secret with at least `bits` bits."""
    return secrets.token_urlsafe((bits + 7) // 8)
