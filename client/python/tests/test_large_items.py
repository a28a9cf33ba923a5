"""Items that are too large for one frame."""

from __future__ import annotations

import random

import pytest

from background import Background
from eventually import eventually
from forkbus import Client, InvalidArgumentError, Queue, QueueEmpty, QueueFull, QueueShutDown
from forkbus.v1 import queue_pb2

LARGEST = 64 << 20


def status(bus: Client, queue: Queue[bytes]) -> queue_pb2.QueueStatus:
    return bus.call(bus.queues.GetQueue, queue_pb2.GetQueueRequest(name=queue.name)).queue.status


def item(size: int) -> bytes:
    """With a pattern that no part of it has elsewhere."""
    return random.Random(size).randbytes(size)


SIZES = [1_048_512, 1_048_513, 1_048_480 * 2, 1_048_480 * 2 + 1, 9_000_000]


@pytest.mark.parametrize("size", [*SIZES, LARGEST])
def test_puts_and_gets_one_of_any_size(bus: Client, size: int) -> None:
    with bus.queue() as queue:
        queue.put(item(size), timeout=60)
        assert queue.get(timeout=60) == item(size)
        assert status(bus, queue).acked == 1


def test_keeps_their_place_among_others(bus: Client) -> None:
    items = [b"a", item(SIZES[1]), b"b", item(SIZES[4]), item(SIZES[2]), b"", b"c"]
    with bus.queue() as queue:
        queue.put_many(items)
        queue.put_many(items, timeout=60)
        assert [queue.get_nowait() for _ in items] == items
        assert next(queue.items()) == b"a"
        seen = queue.get_many(9) + queue.get_many(9)
        assert seen == items[1:3]
        queue.shutdown()
        assert sum(queue.batches(), []) == items[3:]
        queue_of_two = bus.open_queue(queue.name)
        with pytest.raises(QueueShutDown):
            queue_of_two.get()


def test_iterates_over_them(bus: Client) -> None:
    items = [item(size) for size in SIZES] * 3
    with bus.queue() as queue:
        queue.put_many(iter(items))
        queue.shutdown()
        assert list(queue) == items


@pytest.mark.parametrize("many", [False, True])
def test_refuses_one_that_is_too_large_by_name(bus: Client, many: bool) -> None:
    with bus.queue(max_bytes=2_000_000) as queue:
        with pytest.raises(InvalidArgumentError) as too_large:
            queue.put_many([b"before", item(2_000_001), b"after"]) if many else queue.put(item(2_000_001))
        assert too_large.value.reason == "ITEM_TOO_LARGE"
        assert queue.get_many(9, block=False) == ([b"before"] if many else [])
    with bus.queue() as queue:
        with pytest.raises(InvalidArgumentError) as too_large:
            queue.put(bytes(LARGEST + 1))
        assert too_large.value.reason == "ITEM_TOO_LARGE"
        assert queue.empty()


def test_waits_for_room_and_for_no_longer_than_it_may(bus: Client) -> None:
    with bus.queue(max_bytes=3_000_000) as queue:
        queue.put(item(2_000_000))
        with pytest.raises(QueueFull):
            queue.put(item(1_500_000), timeout=0.05)
        with pytest.raises(QueueFull):
            queue.put_nowait(item(1_500_000))
        putting = Background(lambda: queue.put(item(1_500_000)))
        eventually(lambda: status(bus, queue).waiting_puts == 1, "the wait")
        assert queue.get() == item(2_000_000)
        assert putting.join() is None
        assert queue.get() == item(1_500_000)
        assert status(bus, queue).put == 2
    with bus.queue(max_bytes=3_000_000, when_full="reject") as queue:
        queue.put(item(2_000_000))
        with pytest.raises(QueueFull):
            queue.put(item(1_500_000))


def test_waits_no_longer_for_one_that_somebody_else_was_given(bus: Client) -> None:
    with bus.queue() as queue:
        queue.put(item(2_000_000))
        with bus.open_queue(queue.name) as other:
            holding = other.items(prefetch=1)
            # Being slow, it is given one more, and keeps it.
            queue.put(item(3_000_000))
            assert next(holding) == item(2_000_000)
            eventually(lambda: status(bus, queue).untaken == 1, "the other one on its way")
            with pytest.raises(QueueEmpty):
                queue.get(timeout=0.05)
        eventually(lambda: status(bus, queue).untaken == 0, "it to come back")
        assert queue.get() == item(3_000_000)
