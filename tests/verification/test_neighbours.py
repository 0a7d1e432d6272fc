"""Codes of a trusted city: the same verdict by our pack as by asking the city."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from foundation.clock import FixedClock
from foundation.outbound import OutboundClient
from hufu.commands import dispatch
from tests.verification.neighbour import BASE, CITY, THEIR_ID, THEIR_KEY, cases, codes, pack_with, status_list
from tests.verification.test_offline import FINGERPRINT, INDEX, pack_file, status_token
from tests.verification.test_qr import NOW, judge
from verification.cities import Cities
from verification.model import Reason, Report, Verdict
from verification.offline import judge_code_offline
from verification.packs import read_pack
from verification.trust import TrustMaterial
from verification.trust_lists import joined

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.verification.neighbour import Case

GOOD = next(codes())
opened = cache(read_pack)


async def online(cities: Cities, case: Case) -> Report:
    """Judge a code as the service does that holds this trust list and was given this status list."""
    token = None if case.city is None or case.token is None else case.city.own_status_list(1, case.token)
    cities._kept = (float("inf"), {} if case.city is None else {case.city.service_id: case.city})
    cities._statuses = {} if token is None else {("CN-5108", 1): (float("inf"), token)}
    return await cities.judge_code(case.text, at=NOW) or await judge(case.text)


async def test_offline_and_online_agree_on_every_code_of_a_neighbour() -> None:
    """Value × how the list came × standing of the city × dates and tampering; what cannot be known is not guessed."""
    # Judging needs no database and none of our own keys: trust and lists are at hand.
    nothing: Any = None
    outbound = OutboundClient()
    cities = Cities(
        nothing,
        FixedClock(NOW),
        nothing,
        nothing,
        nothing,
        nothing,
        outbound,
        service_id="CN-5000",
        city_name="",
        issuer="",
        verify_page="https://hufu.example/v",
    )
    seen: dict[tuple[str, str], set[str]] = {}
    for case in cases():
        offline, asked = judge_code_offline(case.text, opened(case.pack), at=NOW), await online(cities, case)
        seen.setdefault((case.standing, case.listed), set()).add(offline.verdict.value)
        if case.standing != "list over":
            assert (offline.verdict, offline.reason) == (asked.verdict, asked.reason), case
            continue
        # A pack outlives the trust it was made in: it may still tell what has ended or is forged, nothing else.
        assert offline.verdict is not Verdict.VALID, case
        assert asked.verdict is not Verdict.INVALID or offline.verdict is Verdict.INVALID, case
    await outbound.close()
    assert {key for key, verdicts in seen.items() if "VALID" in verdicts} == {("trusted", "there")}


def by(pack: bytes) -> Report:
    return judge_code_offline(GOOD, opened(pack), at=NOW)


def test_a_list_that_is_not_there_says_why() -> None:
    for listed, sentence in (("missing", "没能从该市取得"), ("too much", "超过核验数据的容量")):
        report = by(pack_with(CITY, None, listed))
        assert (report.verdict, report.reason) == (Verdict.UNDETERMINED, Reason.DATA_MISSING)
        (status,) = (check for check in report.checks if check.name == "licence.status")
        assert sentence in status.detail.zh


def test_a_neighbours_list_ages_by_its_own_dates_and_takes_nothing_else_along() -> None:
    theirs = (THEIR_KEY, THEIR_ID)
    old = status_token({}, base=BASE, signer=theirs, issued_at=NOW - timedelta(hours=23))
    pack = opened(pack_with(CITY, old))
    later = NOW + timedelta(hours=2)
    report = judge_code_offline(GOOD, pack, at=NOW)
    assert (report.verdict, report.data_as_of) == (Verdict.VALID, NOW - timedelta(hours=23))
    stale = judge_code_offline(GOOD, pack, at=later)
    assert (stale.verdict, stale.reason) == (Verdict.UNDETERMINED, Reason.DATA_STALE)
    assert pack.expires_at > later, "our own codes are judged as before"
    day_old = pack_with(CITY, status_list(0, "there"), issued_at=NOW - timedelta(hours=24))
    assert by(day_old).reason is Reason.DATA_STALE


def test_the_command_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, path = tmp_path / "code.txt", tmp_path / "city.hufupack"
    text.write_text(GOOD)
    command = ["verify", str(text), "--pack", str(path), "--pack-key", FINGERPRINT, "--at", NOW.isoformat()]
    for value, listed, exit_code, said in (
        (0, "there", 0, "状态列表中该证照有效"),
        (2, "there", 1, "该证照已被暂扣"),
        (0, "missing", 2, "没能从该市取得"),
    ):
        path.write_bytes(pack_with(CITY, status_list(value, listed), listed))
        assert dispatch(command) == exit_code
        assert said in capsys.readouterr().out


def test_packs_of_before_are_read_and_those_of_now_by_readers_of_before() -> None:
    assert opened(pack_file()).cities == {}
    new = pack_with(CITY, status_list(0, "there"))
    with zipfile.ZipFile(io.BytesIO(new)) as archive:
        lists = [name for name in archive.namelist() if name.startswith("status/")]
    # An earlier reader takes every file below `status/` for one of our own lists, and passes over the others.
    assert lists == ["status/1.cwt"]
    before = replace(opened(new), cities={})
    report = judge_code_offline(GOOD, before, at=NOW)
    assert (report.verdict, report.reason) == (Verdict.UNDETERMINED, Reason.DATA_MISSING)
    assert opened(pack_with(CITY, status_token({INDEX: 1}))).statuses[1].at(INDEX) == 0


def test_a_seal_is_judged_with_the_anchors_and_revocations_of_every_city() -> None:
    now = NOW
    ours = TrustMaterial((b"r1",), (b"i1",), crls_der=(b"c1",), data_as_of=now)
    theirs = TrustMaterial((b"r2",), (b"i2",), crls_der=(b"c2",), data_as_of=now - timedelta(hours=1))
    both = joined(ours, [theirs])
    assert (both.roots_der, both.intermediates_der) == ((b"r1", b"r2"), (b"i1", b"i2"))
    assert both.crls_der == (b"c1", b"c2")
    assert both.data_as_of == theirs.data_as_of, "no younger than its oldest part"
    assert both.revocation_required
