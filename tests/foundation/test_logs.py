"""Logs are JSON, hold fields of the list only, and no personal numbers."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from foundation import logs
from foundation.logs import JsonFormatter, redact

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    sink = io.StringIO()
    logs.configure("INFO", sink)
    yield sink
    root.handlers[:] = kept
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def last(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_a_line_is_one_json_object_with_listed_fields_only(stream: io.StringIO) -> None:
    logging.getLogger("hufu.demo").info("licence issued", extra={"route": "/x/{id}", "status": 200, "holder": "陈伟"})
    line = last(stream)
    assert (line["message"], line["route"], line["status"], line["level"]) == ("licence issued", "/x/{id}", 200, "INFO")
    assert "holder" not in line
    assert "陈伟" not in stream.getvalue()


def test_an_exception_shows_its_class_and_place_and_not_its_text(stream: io.StringIO) -> None:
    try:
        try:
            raise ValueError("Key (name)=(陈伟) exists")  # noqa: TRY301 - the text is the point
        except ValueError as error:
            raise RuntimeError("wrapping 陈伟") from error
    except RuntimeError:
        logging.getLogger("hufu.demo").exception("failed")
    line = last(stream)
    assert [cause["class"] for cause in line["exception"]] == ["RuntimeError", "ValueError"]
    assert "test_logs.py" in line["exception"][0]["raised"][0]
    assert "陈伟" not in stream.getvalue()


def test_uvicorn_tells_no_addresses(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info('GET /v?number=500101199003078519 HTTP/1.1" 200')
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "secret",
    [
        "500101199003078519",
        "11010519491231002x",
        "6222021234567890123",
        "6222 0212 3456 7890",
        "6222-0212-3456-7890",
        "13812345678",
        "+8613812345678",
        "+86 13812345678",
        "110105491231002",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "number={}.", "姓名陈伟，{}，", '"{}"', "/v/{}?x=1"])
def test_personal_numbers_are_blotted_out(secret: str, frame: str) -> None:
    assert redact(frame.format(secret)) == frame.format(logs.BLOT)


@pytest.mark.parametrize(
    "harmless",
    [
        "lic_06f3k2m1a9d8e7f6g5h4i3j2k1",
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
        "2026-11-22T19:08:11.123+00:00",
        "took 1763838491.25 s on port 54321",
    ],
)
def test_other_numbers_stay(harmless: str) -> None:
    assert redact(harmless) == harmless


def test_arguments_of_a_message_are_covered_too() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "seen %s", ("500101199003078519",), None)
    assert "5001" not in JsonFormatter().format(record)
