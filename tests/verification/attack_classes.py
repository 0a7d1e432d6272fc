"""The published attack classes on signed PDFs, and their samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.verification import attacks
from tests.verification.circular import circular
from tests.verification.samples import blank, seal
from tests.verification.shown_papers import shown_papers
from tests.verification.uncommon_pictures import uncommon_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.verification.pki import Pki

CLASSES: dict[str, Callable[[Pki], Iterator[attacks.Sample]]] = {
    "incremental saving": lambda pki: attacks.incremental_saving(seal(blank(), pki)),
    "signature wrapping": lambda pki: attacks.signature_wrapping(seal(blank(), pki)),
    "universal forgery": lambda pki: attacks.universal_forgery(seal(blank(), pki)),
    "shadow": attacks.shadow,
    "certification": attacks.certification,
    "long-term disguise": attacks.long_term_disguise,
    "transplants": lambda pki: attacks.transplants(seal(blank(), pki), pki),
}
HOSTILE: dict[str, Callable[[Pki], Iterator[tuple[str, bytes, bool]]]] = {
    "circular": circular,
    "pictures": uncommon_pictures,
    "shown": shown_papers,
}
"""Soundly sealed files that are hard on readers; each says whether it is to be VALID."""
