"""A verdict in the words that stand largest: one about a moment names that moment, wherever it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.clock import CIVIL_TIME
from verification.words import Sentence

if TYPE_CHECKING:
    from datetime import datetime

    from verification.words import Verdict


def headline(verdict: Verdict, judged_at: datetime | None, known_at: datetime | None) -> Sentence:
    """Return a verdict in words that nobody takes for one of now when it was asked of a moment (decision 0142)."""
    said = verdict.sentence
    if judged_at is None or known_at is None:
        return said
    judged, known = (moment.astimezone(CIVIL_TIME) for moment in (judged_at, known_at))
    return Sentence(
        f"按 {_zh(known)} 所知，{_zh(judged)} {said.zh}；不说明现在是否有效",
        f"{said.en} at {_en(judged)} as known at {_en(known)} (Beijing time); says nothing about now",
    )


def _zh(moment: datetime) -> str:
    return f"{moment.year}年{moment.month}月{moment.day}日 {moment:%H:%M:%S}"


def _en(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
