"""When batches are made, and of what."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from serving.admission import Admission
from serving.batching import Batcher
from serving.errors import Busy

LONG = 600.0  # seconds that no test waits


class Model:
    """Doubles numbers; keeps the batches it was given, and waits for leave before each."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.leave = threading.Event()
        self.leave.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.leave.wait(60)
        if -1 in items:
            raise ValueError("minus one")
        return [2 * item for item in items]


def batcher(model: Model, max_batch: int = 4) -> Batcher[int, int]:
    return Batcher(model, max_batch=max_batch, max_wait=LONG, workers=1)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0.001)


def test_a_lone_item_is_not_held_up() -> None:
    async def scene() -> None:
        model = Model()
        batches = batcher(model)
        assert await asyncio.wait_for(batches.submit(3), 60) == 6
        assert model.batches == [[3]]
        await batches.close()

    asyncio.run(scene())


def test_a_batch_waits_for_those_on_their_way_and_no_longer_than_it_must() -> None:
    async def scene() -> None:
        model = Model()
        batches = batcher(model)
        with batches.arriving():
            first = asyncio.create_task(batches.submit(1))
            await settle()
            assert model.batches == []
        rest = [asyncio.create_task(batches.submit(item)) for item in (2, 3, 4)]
        assert await asyncio.gather(first, *rest) == [2, 4, 6, 8]
        assert model.batches == [[1, 2, 3, 4]]
        await batches.close()

    asyncio.run(scene())


def test_a_wait_has_an_end() -> None:
    async def scene() -> None:
        model = Model()
        batches = Batcher(model, max_batch=4, max_wait=0.01, workers=1)
        with batches.arriving():
            assert await asyncio.wait_for(batches.submit(5), 60) == 10
        await batches.close()

    asyncio.run(scene())


def test_what_gathers_while_the_model_works_is_one_batch() -> None:
    async def scene() -> None:
        model = Model()
        model.leave.clear()
        batches = batcher(model)
        tasks = [asyncio.create_task(batches.submit(0))]
        await settle()
        tasks += [asyncio.create_task(batches.submit(item)) for item in range(1, 7)]
        await settle()
        tasks[2].cancel()
        model.leave.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [value for k, value in enumerate(found) if k != 2] == [0, 2, 6, 8, 10, 12]
        assert isinstance(found[2], asyncio.CancelledError)
        # Nobody works for the one that gave up.
        assert [item for batch in model.batches for item in batch] == [0, 1, 3, 4, 5, 6]
        assert all(len(batch) <= 4 for batch in model.batches)
        assert len(model.batches) == 3
        await batches.close()

    asyncio.run(scene())


def test_an_error_is_that_of_its_batch_alone() -> None:
    async def scene() -> None:
        batches = batcher(Model(), max_batch=2)
        found = await asyncio.gather(
            *(batches.submit(item) for item in (1, -1, 3, 4)), return_exceptions=True
        )
        assert [str(value) for value in found[:2]] == ["minus one"] * 2
        assert found[2:] == [6, 8]
        await batches.close()

    asyncio.run(scene())


def test_places_are_counted_in_images_and_given_back() -> None:
    queue = Admission(10)
    with queue.place() as first:
        first.grow(8)
        with queue.place() as second:
            with pytest.raises(Busy):
                second.grow(3)
            second.grow(2)
            with pytest.raises(Busy), queue.place():
                pass
        assert queue.taken == 8
        first.grow(50)  # alone, it is let in
        assert queue.taken == 50
    assert queue.taken == 0
