from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.verification import attacks
from tests.verification.pki import NOW, Pki
from tests.verification.samples import blank, seal
from verification.errors import DocumentEncrypted, DocumentOverLimit, NoSealFound, NotAPdf
from verification.model import Indication, Verdict
from verification.pdf import validate_pdf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from verification.trust import TrustMaterial

NOT_EXAMINABLE = (NotAPdf, NoSealFound, DocumentEncrypted, DocumentOverLimit)

CLASSES: dict[str, Callable[[Pki], Iterator[attacks.Sample]]] = {
    "incremental saving": lambda pki: attacks.incremental_saving(seal(blank(), pki)),
    "signature wrapping": lambda pki: attacks.signature_wrapping(seal(blank(), pki)),
    "universal forgery": lambda pki: attacks.universal_forgery(seal(blank(), pki)),
    "shadow": attacks.shadow,
    "certification": attacks.certification,
    "long-term disguise": attacks.long_term_disguise,
    "transplants": lambda pki: attacks.transplants(seal(blank(), pki), pki),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_no_attack_passes_and_each_is_judged_quickly(kind: str, pki: Pki, material: TrustMaterial) -> None:
    passed, slow, names = [], [], []
    for name, document in CLASSES[kind](pki):
        names.append(name)
        begun = time.process_time()
        try:
            report = validate_pdf(document, material, at=NOW)
        except NoSealFound:
            continue
        if report.verdict is Verdict.VALID or report.indication is Indication.TOTAL_PASSED:
            passed.append(name)
        if time.process_time() - begun > 2:
            slow.append(name)
    assert len(names) >= 4
    assert (passed, slow) == ([], [])


def test_the_documents_that_the_attacks_start_from_are_good(pki: Pki, material: TrustMaterial) -> None:
    for document in (blank(), attacks.with_overlay(), attacks.with_text_field(), attacks.with_hidden_catalogue()):
        assert validate_pdf(seal(document, pki), material, at=NOW).verdict is Verdict.VALID


def test_no_flipped_byte_inside_the_sealed_range_passes(pki: Pki, material: TrustMaterial) -> None:
    document = seal(blank(), pki)
    _, (_, first, second, length) = attacks.byte_range_of(document)
    covered = [*range(0, first, 41), *range(second, second + length, 41)]
    for position in covered:
        changed = bytearray(document)
        changed[position] ^= 0x01
        try:
            verdict = validate_pdf(bytes(changed), material, at=NOW).verdict
        except NOT_EXAMINABLE:
            continue
        assert verdict is not Verdict.VALID, position


def test_no_flipped_digit_of_the_signature_value_passes(pki: Pki, material: TrustMaterial) -> None:
    document = seal(blank(), pki, timestamp=False)
    _, (_, first, second, _) = attacks.byte_range_of(document)
    end = first + len(document[first:second].rstrip(b"0>")) - 1
    for position in range(first + 1, end, 37):
        changed = bytearray(document)
        changed[position] = ord("0") if changed[position] != ord("0") else ord("1")
        report = validate_pdf(bytes(changed), material, at=NOW)
        # Bytes that nothing signs, such as spare certificates, may change; what the seal says may not.
        if report.verdict is Verdict.VALID:
            assert report.seals == validate_pdf(document, material, at=NOW).seals
