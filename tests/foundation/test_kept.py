"""A kept fact is read once for all who ask meanwhile, and again when it has aged."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from foundation import kept
from foundation.kept import Kept


class Book:
    """Answers by a name and how often it was asked for, when it is let."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def read(self, name: str) -> str:
        self.reads.append(name)
        count = self.reads.count(name)
        await self.open.wait()
        if name == "none":
            raise LookupError
        return f"{name} {count}"


async def _begun() -> None:
    """Let a task begin, and a task it makes."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(kept, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    return clock


async def test_who_asks_during_a_read_shares_it_and_who_asks_later_gets_what_it_found(now: SimpleNamespace) -> None:
    book = Book()
    ask = Kept(book.read, seconds=1, at_most=10)
    assert await asyncio.gather(*(ask(name) for name in ("a", "b", "a", "a"))) == ["a 1", "b 1", "a 1", "a 1"]
    now.seconds += 0.4
    assert await ask("a") == "a 1"
    assert book.reads == ["a", "b"]
    now.seconds += 0.6
    assert await asyncio.gather(*(ask("a") for _ in range(2))) == ["a 2", "a 2"]
    assert book.reads == ["a", "b", "a"]


async def test_one_reads_again_before_a_fact_has_aged_and_the_others_wait_only_then(now: SimpleNamespace) -> None:
    book = Book()
    ask = Kept(book.read, seconds=1, at_most=10)
    assert await ask("a") == "a 1"
    book.open.clear()
    now.seconds += 0.5
    waiting = [asyncio.create_task(ask("a"))]
    await _begun()
    assert [await ask("a") for _ in range(3)] == ["a 1"] * 3
    now.seconds += 0.49
    assert await ask("a") == "a 1"
    assert book.reads == ["a", "a"]
    now.seconds += 0.01
    waiting.append(asyncio.create_task(ask("a")))
    await _begun()
    book.open.set()
    assert await asyncio.gather(*waiting) == ["a 2", "a 3"]


async def test_whoever_reads_again_is_told_of_its_failure(now: SimpleNamespace) -> None:
    answers: list[str | Exception] = ["first", LookupError(), LookupError(), "last"]

    async def read(_: None) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    ask = Kept(read, seconds=1)
    assert await ask(None) == "first"
    now.seconds += 0.9
    for _ in range(2):
        with pytest.raises(LookupError):
            await ask(None)
    assert await ask(None) == "last"


async def test_nobody_joins_a_read_that_has_aged_or_began_before_it_was_forgotten(now: SimpleNamespace) -> None:
    book = Book()
    ask = Kept(book.read, seconds=1, at_most=10)
    book.open.clear()
    asked = [asyncio.create_task(ask("a"))]
    await _begun()
    now.seconds += 1
    asked.append(asyncio.create_task(ask("a")))
    await _begun()
    ask.forget()
    asked.append(asyncio.create_task(ask("a")))
    await _begun()
    book.open.set()
    assert len(set(await asyncio.gather(*asked))) == 3
    assert await ask("a") == "a 3"


@pytest.mark.usefixtures("now")
async def test_a_failure_is_told_to_all_who_shared_it_and_not_remembered() -> None:
    book = Book()
    ask = Kept(book.read, seconds=1, at_most=10)
    outcomes = await asyncio.gather(*(ask("none") for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LookupError] * 3
    with pytest.raises(LookupError):
        await ask("none")
    assert book.reads == ["none", "none"]


@pytest.mark.usefixtures("now")
async def test_one_who_gives_up_stops_nobody_and_no_more_is_remembered_than_was_said() -> None:
    book = Book()
    ask = Kept(book.read, seconds=1, at_most=2)
    asked = [asyncio.create_task(ask("a")) for _ in range(2)]
    await _begun()
    asked[0].cancel()
    assert await asked[1] == "a 1"
    assert [await ask(name) for name in ("b", "a", "c", "c", "a")] == ["b 1", "a 1", "c 1", "c 1", "a 2"]
