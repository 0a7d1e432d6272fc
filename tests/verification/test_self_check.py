from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests.verification.attacks import byte_range_of
from tests.verification.samples import add_document_timestamp, add_dss, blank, seal
from verification.self_check import FastSelfCheck

if TYPE_CHECKING:
    from tests.verification.pki import Pki


@dataclass(frozen=True)
class Expectation:
    certificate_der: bytes
    baseline_level: str
    previous_length: int


@pytest.fixture(scope="module")
def sample(pki: Pki) -> tuple[bytes, Expectation]:
    before = blank()
    return seal(before, pki), Expectation(pki.seal.der, "B-T", len(before))


def test_a_sound_document_has_no_complaint(sample: tuple[bytes, Expectation], pki: Pki) -> None:
    document, expectation = sample
    assert FastSelfCheck().check(document, expectation) == ()
    assert FastSelfCheck().check(add_dss(document, pki), replace(expectation, baseline_level="B-LT")) == ()
    untimed = seal(blank(), pki, timestamp=False)
    assert FastSelfCheck().check(untimed, replace(expectation, baseline_level="B-B")) == ()


def test_an_archive_timestamp_covers_the_whole_file(sample: tuple[bytes, Expectation], pki: Pki) -> None:
    document, expectation = sample
    archived = replace(expectation, baseline_level="B-LTA")
    check = FastSelfCheck().check
    stamped = add_document_timestamp(add_dss(document, pki), pki)
    assert check(stamped, archived) == ()
    assert check(add_dss(document, pki), archived) == ("archive_timestamp",)
    assert check(stamped + b"\nmore", archived) == ("archive_timestamp",)
    changed = bytearray(stamped)
    changed[len(document) + 40] ^= 1
    assert check(bytes(changed), archived) == ("archive_timestamp",)


def test_each_fault_is_named(sample: tuple[bytes, Expectation], pki: Pki) -> None:
    document, expectation = sample
    changed = bytearray(document)
    changed[100] ^= 1
    check = FastSelfCheck().check
    assert check(bytes(changed), expectation) == ("digest",)
    assert check(document + b"\nmore", expectation) == ("byte_range",)
    assert check(blank(), replace(expectation, previous_length=0)) == ("byte_range",)
    assert check(document, replace(expectation, certificate_der=pki.tsa.der)) == ("certificate",)
    untimed = seal(blank(), pki, timestamp=False)
    assert check(untimed, expectation) == ("timestamp",)
    _, (_, first, second, _) = byte_range_of(document)
    empty = document[: first + 1] + b"0" * (second - first - 2) + document[second - 1 :]
    assert check(empty, expectation) == ("structure",)


def test_a_flipped_digit_of_the_value_is_noticed_or_harmless(sample: tuple[bytes, Expectation]) -> None:
    document, expectation = sample
    _, (_, first, _, _) = byte_range_of(document)
    noticed = 0
    for place in range(first + 1, first + 3000, 53):
        changed = bytearray(document)
        changed[place] = ord("0") if changed[place] != ord("0") else ord("1")
        noticed += bool(FastSelfCheck().check(bytes(changed), expectation))
    assert noticed > 20
