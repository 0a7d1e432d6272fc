"""Whom this process believes on the other end of a TLS connection: the machine's certificate authorities."""

from __future__ import annotations

import ssl
from functools import lru_cache


@lru_cache(maxsize=1)
def client_context() -> ssl.SSLContext:
    """Return the process's context for calls to other servers.

    Reading the machine's authorities takes 90 ms, for every client that brings a context of its own.
    """
    return ssl.create_default_context()
