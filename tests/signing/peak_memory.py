"""Prints how much memory sealing one large document takes at its peak, in bytes above what loading took.

A process of its own, because a peak cannot be taken back.
"""

from __future__ import annotations

import os
import resource
import sys

from signing.placement import Rectangle
from signing.ports import SealExpectation
from tests.signing.hostile import changed
from tests.signing.test_placement import TestSeal
from verification.self_check import FastSelfCheck


def large(size: int) -> bytes:
    """Return a PDF with an attachment of so many random bytes."""
    return changed(lambda pdf: setattr(pdf.Root, "PieceInfo", pdf.make_stream(os.urandom(size))))


def peak() -> int:
    """Return this process's peak resident memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Make the document in a child, so that making it does not count, then seal and check it."""
    path, size = sys.argv[1], int(sys.argv[2])
    child = os.fork()
    if child == 0:
        with open(path, "wb") as out:  # noqa: PTH123 - a path given as text
            out.write(large(size))
        os._exit(0)
    os.waitpid(child, 0)
    hand = TestSeal()
    hand.put_on(changed(lambda _: None), Rectangle(1, 300, 60))  # loads what every seal needs
    before = peak()
    with open(path, "rb") as source:  # noqa: PTH123 - a path given as text
        document = source.read()
    sealed = hand.put_on(document, Rectangle(1, 300, 60))
    expectation = SealExpectation(hand.certificate_der, "B-B", len(document), b"", "Seal1")
    if findings := FastSelfCheck().check(sealed, expectation):
        raise AssertionError(findings)
    print(peak() - before, len(document))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
