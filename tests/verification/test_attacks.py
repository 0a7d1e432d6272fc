from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest
from asn1crypto.parser import peek

from tests.verification import attacks
from tests.verification.attack_classes import CLASSES
from tests.verification.pki import NOW, Pki
from tests.verification.samples import blank, good_documents, seal
from verification.errors import DocumentEncrypted, DocumentOverLimit, NoSealFound, NotAPdf
from verification.model import Indication, Verdict
from verification.pdf import validate_pdf
from verification.pdf.byte_range import declared_byte_ranges
from verification.trust import TrustMaterial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

FLIPS = int(os.environ.get("HUFU_TEST_FLIPS", "9"))
"""Bytes flipped in each vector; many more in `make soak`."""
NOT_EXAMINABLE = (NotAPdf, NoSealFound, DocumentEncrypted, DocumentOverLimit)


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


def vectors() -> dict[str, tuple[bytes, TrustMaterial]]:
    """Return one good document of each kind, with what it is judged by."""
    made: dict[str, tuple[bytes, TrustMaterial]] = {}
    for kind in ("ec", "rsa"):
        pki = Pki(key_kind=kind)
        material = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
        made |= {f"{name}_{kind}": (document, material) for name, document in good_documents(pki).items()}
    return made


@pytest.fixture(scope="module")
def good() -> dict[str, tuple[bytes, TrustMaterial]]:
    made = vectors()
    for document, material in made.values():
        assert validate_pdf(document, material, at=NOW).verdict is Verdict.VALID
    return made


def test_no_flipped_byte_inside_any_sealed_range_passes(good: dict[str, tuple[bytes, TrustMaterial]]) -> None:
    passed = [
        (name, place)
        for name, (document, material) in good.items()
        for place, changed in flipped(document, FLIPS)
        if passes(changed, material)
    ]
    assert passed == []


def flipped(document: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    """Change one byte that a signature covers, again and again, in places spread over all of them."""
    inside = bytearray(len(document))
    for _, first, second, length in declared_byte_ranges(document):
        inside[:first] = b"\1" * first
        inside[second : second + length] = b"\1" * length
    places = [place for place, covered in enumerate(inside) if covered]
    chance = random.Random(len(document))  # noqa: S311 - the same each time is wanted
    for part in range(count):
        place = places[chance.randrange(len(places) * part // count, len(places) * (part + 1) // count)]
        changed = bytearray(document)
        changed[place] ^= chance.randrange(1, 256)
        yield place, bytes(changed)


def passes(document: bytes, material: TrustMaterial, at: datetime = NOW) -> bool:
    """Tell whether a document is called VALID; one that cannot be examined is not."""
    try:
        return validate_pdf(document, material, at=at).verdict is Verdict.VALID
    except NOT_EXAMINABLE:
        return False


@pytest.mark.parametrize("place", [0, 1, -2, -1])
@pytest.mark.parametrize("level", ["b_b_ec", "b_lta_rsa", "cms_ec"])
def test_nothing_hides_in_the_padding_of_a_signature_value(
    good: dict[str, tuple[bytes, TrustMaterial]], level: str, place: int
) -> None:
    document, material = good[level]
    for _, first, second, _ in declared_byte_ranges(document):
        value = bytes.fromhex(document[first + 1 : second - 1].decode())
        padding = range(first + 1 + 2 * peek(value), second - 1)
        changed = bytearray(document)
        changed[padding[place]] = ord("7")
        report = validate_pdf(bytes(changed), material, at=NOW)
        assert (report.verdict, report.sub_indication) == (Verdict.INVALID, "FORMAT_FAILURE")


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
