"""Dynamic micro-batching: images of different requests run through the model together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class _Entry(Generic[Item, Answer]):
    item: Item
    answer: asyncio.Future[Answer]


class Batcher(Generic[Item, Answer]):
    """Collects items for a function that is cheaper for several at once.

    As many batches as there are workers run at a time, each in a thread. A batch is put together
    only when a worker is free, from all that waits then: under load nobody waits for company. One
    that is not full waits up to ``max_wait`` seconds, and only while others are on their way (see
    ``arriving``): alone, a request is never held up.

    run: from k items to k answers, 1 <= k <= ``max_batch``; called in threads.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Answer]],
        *,
        max_batch: int,
        max_wait: float,
        workers: int,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._queue: asyncio.Queue[_Entry[Item, Answer]] = asyncio.Queue()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="model")
        self._tasks = [asyncio.create_task(self._work()) for _ in range(workers)]
        self._arriving = 0

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """For the time in which an item is made ready to be submitted."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    async def submit(self, item: Item) -> Answer:
        """The answer for one item. Cancelling the caller takes the item out of the queue.

        Raises:
            Exception: what ``run`` raised for the item's batch.
        """
        entry: _Entry[Item, Answer] = _Entry(item, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(entry)
        return await entry.answer

    async def close(self) -> None:
        """Stop; nothing may be submitted any more, and what waits is cancelled."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait().answer.cancel()
        self._pool.shutdown()

    async def _work(self) -> None:
        while True:
            batch = await self._collect()
            # Those who gave up while the batch was put together are not worked for.
            batch = [entry for entry in batch if not entry.answer.done()]
            if batch:
                await self._answer(batch)

    async def _collect(self) -> list[_Entry[Item, Answer]]:
        batch = [await self._queue.get()]
        deadline = asyncio.get_running_loop().time() + self._max_wait
        while len(batch) < self._max_batch:
            if not self._queue.empty():
                batch.append(self._queue.get_nowait())
                continue
            if not self._arriving:
                break
            try:
                async with asyncio.timeout_at(deadline):
                    batch.append(await self._queue.get())
            except TimeoutError:
                break
        return batch

    async def _answer(self, batch: Sequence[_Entry[Item, Answer]]) -> None:
        loop = asyncio.get_running_loop()
        items = [entry.item for entry in batch]
        try:
            answers = await loop.run_in_executor(self._pool, self._run, items)
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(error)
            return
        for entry, answer in zip(batch, answers, strict=True):
            if not entry.answer.done():
                entry.answer.set_result(answer)
