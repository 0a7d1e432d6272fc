"""The locks are complete, anonymous and free of licences that would bind the whole."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+?)(?: ;.*)? \\$", re.MULTILINE)
STRONG = re.compile(r"\b(A?GPL|Affero|GNU General Public)", re.IGNORECASE)
WEAK = re.compile(r"LGPL|Lesser")


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / name).read_text()))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host_and_pins_every_package_with_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"https?:|index-url|find-links|trusted-host", text)
    starts = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(starts) == len(pins(name)) > 50
    for block in re.split(r"\n(?=\S)", text):
        if "==" in block:
            assert "--hash=sha256:" in block, block[:60]


@pytest.mark.parametrize("name", LOCKS)
def test_no_prerelease_is_locked(name: str) -> None:
    assert not [pin for pin in pins(name).items() if re.search(r"(a|b|rc|\.dev)\d", pin[1])]


def test_development_uses_what_production_does() -> None:
    development = pins("requirements-dev.txt")
    assert all(development[package] == version for package, version in pins("requirements.txt").items())


@pytest.mark.parametrize("name", ["requirements.in", "requirements-dev.in"])
def test_every_wanted_package_is_locked(name: str) -> None:
    wanted = re.findall(r"^[a-z][A-Za-z0-9._-]*", (ROOT / name).read_text(), re.MULTILINE)
    assert wanted
    assert not set(wanted) - pins("requirements-dev.txt").keys()


def test_no_licence_binds_the_whole() -> None:
    assert [package for package in sorted(pins("requirements-dev.txt")) if binds_others(package)] == []


def binds_others(package: str) -> bool:
    """Tell whether every licence an installed package offers is the GPL or the AGPL."""
    try:
        metadata = distribution(package).metadata
    except PackageNotFoundError:
        return False  # locked for another platform
    stated = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License")]
    stated += [metadata["License-Expression"]] if "License-Expression" in metadata else []
    stated = stated or [(metadata["License"] or "").partition("\n")[0]]
    return all(STRONG.search(text) and not WEAK.search(text) for text in stated)
