"""One call for many concurrent askers: whoever asks while a call is under way shares the next one.

Under load a hundred requests then cost the database one statement and one commit instead of
a hundred; alone, a request waits for nobody. Calls begin some milliseconds apart: where they are
over quickly, each would find one asker, and a statement for each is what half the CPU would go to.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Question = TypeVar("Question")
Answer = TypeVar("Answer")
APART_SECONDS = 0.003


@dataclass(slots=True)
class _Batch(Generic[Question, Answer]):
    questions: list[Question] = field(default_factory=list)
    task: asyncio.Task[Sequence[Answer]] | None = None


class Gathering(Generic[Question, Answer]):
    """Asks for many at once; a call that fails, fails for all who shared it."""

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]],
        *,
        at_most: int = 128,
        at_a_time: int = 2,
        apart_seconds: float = APART_SECONDS,
    ) -> None:
        """Take the call, which answers in the order of the questions, its largest batch, how many may run and begin."""
        self._ask = ask
        self._at_most = at_most
        self._at_a_time = at_a_time
        self._apart_seconds = apart_seconds
        self._next_at = float("-inf")
        self._turns: asyncio.Semaphore | None = None
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
        if self._turns is None:
            self._turns = asyncio.Semaphore(self._at_a_time)
        async with self._turns:
            await self._keep_apart()
            # From here on nobody joins: what was asked so far is asked now.
            if self._open is batch:
                self._open = None
            return await self._ask(batch.questions)

    async def _keep_apart(self) -> None:
        """Wait until the last beginning is far enough back."""
        wait = self._next_at - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._next_at = time.monotonic() + self._apart_seconds


def _seen(task: asyncio.Task[Sequence[Answer]]) -> None:
    """Look at a failure that nobody is left to be told of, so that it is no noise at exit."""
    if not task.cancelled():
        task.exception()
