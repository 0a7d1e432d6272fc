"""Names in certificates are prepared for comparison once.

RFC 5280, 7.1 compares names after a preparation of each text, and asn1crypto prepares them again
at every comparison: a quarter of the time a seal took. What is compared, refused and found equal
stays as it was; names that are the same bytes are the same name once their texts have been accepted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from asn1crypto.x509 import RDNSequence

_KEPT = 1024
_prepare = RDNSequence.hashable.fget
_compare = RDNSequence.__eq__


@lru_cache(maxsize=_KEPT)
def _prepared(der: bytes) -> str:
    return str(_prepare(RDNSequence.load(der)))


def _hashable(self: RDNSequence) -> str:
    """Return a name prepared for comparison; raises as asn1crypto does at what may not stand in one."""
    return _prepared(self.dump())


def _equal(self: RDNSequence, other: Any) -> bool:  # noqa: ANN401 - as asn1crypto has it
    """Compare two names; what the prepared texts cannot tell apart is left to asn1crypto."""
    if not isinstance(other, RDNSequence) or _hashable(self) != _hashable(other):
        return False
    return self.dump() == other.dump() or bool(_compare(self, other))


# asn1crypto offers no other place for it.
RDNSequence.hashable = property(_hashable)
RDNSequence.__eq__ = _equal
