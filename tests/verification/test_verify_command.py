from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hufu.commands import dispatch
from tests.verification.pki import NOW, Pki, issue
from tests.verification.samples import blank, seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = ("--at", NOW.isoformat())
ODD_MOMENTS = (
    "2199-01-01T00:00:00Z",
    "2026-03-01T00:00:00",
    "2026-03-01",
    "0001-01-01T00:00:00+08:00",
    "9999-12-31T23:59:59-08:00",
)
"""To come, without a zone, at the edges of the calendar."""


def pem_of(pki: Pki, *, lists: bool = True) -> bytes:
    crls = [x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in pki.crls()] if lists else []
    return b"".join((pki.root.pem, pki.issuing.pem, *crls))


@pytest.fixture
def anchors(pki: Pki, tmp_path: Path) -> str:
    path = tmp_path / "anchors.pem"
    path.write_bytes(pem_of(pki))
    return str(path)


def verify(tmp_path: Path, document: bytes, *arguments: str) -> int:
    path = tmp_path / "document.pdf"
    path.write_bytes(document)
    return dispatch(["verify", str(path), *arguments])


def test_exit_codes_and_one_json_object(
    tmp_path: Path, pki: Pki, anchors: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = seal(blank(), pki)
    changed = bytearray(good)
    changed[120] ^= 1
    cases = [
        (good, 0, "VALID", "TOTAL-PASSED"),
        (bytes(changed), 1, "INVALID", "TOTAL-FAILED"),
        (seal(blank(), Pki()), 2, "UNDETERMINED", "INDETERMINATE"),
        (blank(), 3, None, None),
        (b"no pdf", 3, None, None),
    ]
    for document, code, verdict, indication in cases:
        assert verify(tmp_path, document, "--anchors", anchors, "--json", *AT) == code
        answer = json.loads(capsys.readouterr().out)
        assert (answer["verdict"], answer["indication"]) == (verdict, indication)
        assert {"reason", "sub_indication", "data_as_of", "checks"} <= answer.keys()


def test_anchors_have_no_history(tmp_path: Path, pki: Pki, anchors: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = seal(blank(), pki)
    changed = bytearray(document)
    changed[120] ^= 1
    for file, code, reason in ((document, 2, "not_known_then"), (bytes(changed), 1, "document_changed")):
        assert verify(tmp_path, file, "--anchors", anchors, "--json", *AT, "--known-at", NOW.isoformat()) == code
        answer = json.loads(capsys.readouterr().out)
        assert (answer["reason"], answer["judged_at"]) == (reason, NOW.isoformat().replace("+00:00", "Z"))


def test_nothing_is_valid_before_it_was_sealed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki, path = Pki(declares_crl=False), tmp_path / "roots.pem"
    path.write_bytes(pem_of(pki, lists=False))
    document, by_anchors = seal(blank(), pki), ("--anchors", str(path), "--json")
    assert verify(tmp_path, document, *by_anchors, *AT) == 0
    (sealed,) = json.loads(capsys.readouterr().out)["seals"]
    made = datetime.fromisoformat(sealed["sealed_at"])
    assert verify(tmp_path, document, *by_anchors, "--at", made.isoformat()) == 0
    capsys.readouterr()
    assert verify(tmp_path, document, *by_anchors, "--at", (made - timedelta(seconds=1)).isoformat()) == 2
    answer = json.loads(capsys.readouterr().out)
    assert (answer["reason"], answer["indication"]) == ("sealed_later", "INDETERMINATE")
    assert answer["seals"][0]["indication"] == "INDETERMINATE"


def test_a_receipt_is_asked_of_no_moment(tmp_path: Path, anchors: str) -> None:
    assert verify(tmp_path, b"eyJ9.eyJ9.AAAA", "--anchors", anchors, *AT) == 64


def test_words_for_people_in_both_languages(
    tmp_path: Path, pki: Pki, anchors: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(tmp_path, seal(blank(), pki), "--anchors", anchors, *AT) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("按 2026年11月22日 11:00:00 所知，2026年11月22日 12:00:00 有效；不说明现在是否有效")
    assert "Valid at 2026-11-22 12:00:00 as known at 2026-11-22 11:00:00" in printed, "by the list of that hour"
    assert "\n  VALID: " in printed
    assert "演示市市场监督管理局" in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("--anchors", "missing.pem"),
        ("--at", "yesterday"),
        ("--known-at", "yesterday"),
        *((option, moment) for option in ("--at", "--known-at") for moment in ODD_MOMENTS),
        ("--no-such-option",),
    ],
)
def test_wrong_usage_exits_64(
    tmp_path: Path, anchors: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with_anchors = arguments if "--anchors" in arguments else ("--anchors", anchors, *arguments)
    try:
        code = verify(tmp_path, blank(), *with_anchors)
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    assert code == 64
    assert arguments[0] == "--anchors" or arguments[0] in capsys.readouterr().err


def test_an_anchors_file_without_certificates_is_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "empty.pem"
    path.write_bytes(b"nothing")
    assert verify(tmp_path, blank(), "--anchors", str(path)) == 64
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert verify(tmp_path, blank(), "--anchors", str(path)) == 64


class ListServer(BaseHTTPRequestHandler):
    """Publishes one revocation list."""

    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def list_server() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), ListServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_list_that_the_certificate_names_is_fetched(tmp_path: Path, list_server: HTTPServer) -> None:
    pki = Pki(declares_crl=False)
    url = f"http://127.0.0.1:{list_server.server_port}/issuing.crl"
    sealing = issue("带吊销列表的证书", pki.issuing, crl_url=url)
    document = seal(blank(), pki, identity=sealing)
    path = tmp_path / "roots.pem"
    path.write_bytes(pem_of(pki, lists=False))
    ListServer.body = b"no list"
    assert verify(tmp_path, document, "--anchors", str(path), *AT) == 2
    ListServer.body = pki.crl(pki.issuing, at=NOW - timedelta(hours=1))
    assert verify(tmp_path, document, "--anchors", str(path), *AT) == 0
    pki.revoked.append((sealing.certificate, NOW - timedelta(hours=2)))
    ListServer.body = pki.crl(pki.issuing, at=NOW - timedelta(hours=1))
    assert verify(tmp_path, document, "--anchors", str(path), *AT) == 2
