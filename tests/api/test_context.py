"""Whose address counts for throttles."""

from __future__ import annotations

import pytest

from api.context import prefers_english, resolve_source

PROXIES = ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("10.0.0.2", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", ["198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.2", ["nonsense"], "unknown"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.5", [], "203.0.113.5"),
    ],
)
def test_only_hops_behind_our_own_proxies_count(peer: str, forwarded: list[str], source: str) -> None:
    assert resolve_source(peer, forwarded, PROXIES) == source


@pytest.mark.parametrize(
    ("header", "english"),
    [("", False), ("en", True), ("zh-CN,en;q=0.8", False), ("fr", False), ("en;q=x", False), ("de,en;q=0.2", True)],
)
def test_chinese_unless_english_is_preferred(header: str, *, english: bool) -> None:
    assert prefers_english(header) is english
