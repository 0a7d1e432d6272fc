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


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(kept, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    return clock


async def test_who_asks_during_a_read_shares_it_and_who_asks_later_gets_what_it_found(now: SimpleNamespace) -> None:
    book = Book()
    ask = Kept(book.read, seconds=1, at_most=10)
    assert await asyncio.gather(*(ask(name) for name in ("a", "b", "a", "a"))) == ["a 1", "b 1", "a 1", "a 1"]
    now.seconds += 0.9
    assert await ask("a") == "a 1"
    now.seconds += 0.2
    assert await asyncio.gather(*(ask("a") for _ in range(2))) == ["a 2", "a 2"]
    assert book.reads == ["a", "b", "a"]


async def test_nobody_joins_a_read_that_has_aged_or_began_before_it_was_forgotten(now: SimpleNamespace) -> None:
    book = Book()
    ask = Kept(book.read, seconds=1, at_most=10)
    book.open.clear()
    asked = [asyncio.create_task(ask("a"))]
    await asyncio.sleep(0)
    now.seconds += 1
    asked.append(asyncio.create_task(ask("a")))
    await asyncio.sleep(0)
    ask.forget()
    asked.append(asyncio.create_task(ask("a")))
    await asyncio.sleep(0)
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
    await asyncio.sleep(0)
    asked[0].cancel()
    assert await asked[1] == "a 1"
    assert [await ask(name) for name in ("b", "a", "c", "c", "a")] == ["b 1", "a 1", "c 1", "c 1", "a 2"]
