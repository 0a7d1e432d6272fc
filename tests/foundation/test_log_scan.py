"""The scan that watches every other test finds what it should."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.support.log_scan import LogScan, personal_data
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from collections.abc import Iterator

PERSON = CITIZENS[0]


@pytest.fixture
def scanned() -> Iterator[tuple[logging.Logger, LogScan]]:
    """A logger that only a scan of our own hears."""
    scan, logger = LogScan(), logging.getLogger("scan.test")
    logger.propagate = False
    logger.addHandler(scan)
    yield logger, scan
    logger.removeHandler(scan)
    logger.propagate = True


@pytest.mark.parametrize(
    "text",
    [
        f"welcome {PERSON.name}",
        f"/v?n={PERSON.citizen_id_number}",
        f"card {PERSON.bank_card}.",
        f"sms to {PERSON.mobile}",
        "6222021234567890128",
    ],
)
def test_personal_data_is_found(text: str) -> None:
    assert personal_data(text)


@pytest.mark.parametrize(
    "text",
    [
        "req_06h09havitpn90mrm8ib3396o0 took 12.5 ms",
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
        "2026-11-22T19:33:07.354+00:00",
        "123456789012345678",
    ],
)
def test_other_text_is_clean(text: str) -> None:
    assert personal_data(text) == []


def test_messages_arguments_and_fields_are_looked_at(scanned: tuple[logging.Logger, LogScan]) -> None:
    logger, scan = scanned
    logger.warning("seen %s", PERSON.citizen_id_number)
    logger.warning("fine", extra={"reason": PERSON.name})
    logger.warning("fine", extra={"not_written": PERSON.name})
    assert len(scan.taken()) == 2
    assert scan.taken() == []
