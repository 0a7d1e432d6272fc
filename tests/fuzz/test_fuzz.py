"""A few seconds of coverage-guided fuzzing in every run, and random bytes; `make fuzz` does it at length."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
SECONDS = os.environ.get("HUFU_TEST_FUZZ_SECONDS", "2")
FUZZED = ("cose", "identifier", "pdf", "qr")
CHEAP = sorted(set(TARGETS) - {"pdf"})


def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    if find_spec("atheris") is None:
        # There are wheels for x86-64 Linux alone; elsewhere the seeds at least go through.
        for name in FUZZED:
            for seed in TARGETS[name][1]:
                TARGETS[name][0](seed)
        return
    run = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "tests.fuzz", ",".join(FUZZED), SECONDS, str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
        timeout=100 + len(FUZZED) * int(SECONDS),
    )
    told = run.stderr.decode("utf-8", "replace")
    assert run.returncode == 0, told[-2000:]
    assert told.count("stat::number_of_executed_units") == len(FUZZED)


@pytest.mark.parametrize("name", CHEAP)
@settings(max_examples=150, deadline=None, database=None)
@given(data=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode)))
def test_random_bytes_break_nothing(name: str, data: bytes) -> None:
    TARGETS[name][0](data)


@settings(max_examples=40, deadline=None, database=None)
@given(data=st.data())
def test_damaged_documents_and_codes_are_never_better_than_the_truth(data: st.DataObject) -> None:
    target, seeds = TARGETS[data.draw(st.sampled_from(["pdf", "qr", "cose"]))]
    seed = bytearray(data.draw(st.sampled_from(seeds)))
    start = data.draw(st.integers(0, len(seed)))
    length = data.draw(st.integers(0, 60))
    seed[start : start + length] = data.draw(st.binary(max_size=60))
    target(bytes(seed))
