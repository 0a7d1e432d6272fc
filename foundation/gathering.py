"""One call for many concurrent askers: whoever asks while a call is under way shares the next one.

Under load a hundred requests then cost the database one statement and one commit instead of
a hundred; alone, a request waits for nobody. There is one call at a time: the longer they take, the more share them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Batch(Generic[Question, Answer]):
    questions: list[Question] = field(default_factory=list)
    task: asyncio.Task[Sequence[Answer]] | None = None


class Gathering(Generic[Question, Answer]):
    """Asks for many at once; a call that fails, fails for all who shared it."""

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]], *, at_most: int = 128) -> None:
        """Take the call, which answers in the order of the questions, and its largest batch."""
        self._ask = ask
        self._at_most = at_most
        self._turn = asyncio.Lock()
        self._open: _Batch[Question, Answer] | None = None

    async def __call__(self, question: Question) -> Answer:
        """Return the answer; one asker who gives up does not stop the others' call."""
        batch = self._open
        if batch is None or batch.task is None or len(batch.questions) >= self._at_most:
            batch = self._open = _Batch()
            batch.task = asyncio.create_task(self._run(batch), name="gathering")
            batch.task.add_done_callback(_seen)
        place = len(batch.questions)
        batch.questions.append(question)
        answers = await asyncio.shield(batch.task)
        return answers[place]

    async def _run(self, batch: _Batch[Question, Answer]) -> Sequence[Answer]:
        async with self._turn:
            # From here on nobody joins: what was asked so far is asked now.
            if self._open is batch:
                self._open = None
            return await self._ask(batch.questions)


def _seen(task: asyncio.Task[Sequence[Answer]]) -> None:
    """Look at a failure that nobody is left to be told of, so that it is no noise at exit."""
    if not task.cancelled():
        task.exception()
