"""Loops over a queue."""

from __future__ import annotations

import threading

import pytest

from eventually import eventually
from forkbus import Client, NotFoundError, Queue
from forkbus.v1 import queue_pb2

ITEMS = [str(n) for n in range(200)]


def status(bus: Client, queue: Queue[str]) -> queue_pb2.QueueStatus:
    return bus.call(bus.queues.GetQueue, queue_pb2.GetQueueRequest(name=queue.name)).queue.status


def test_yields_all_in_order_and_ends_when_it_is_shut_down_and_drained(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        queue.put_many(ITEMS)
        queue.shutdown()
        assert list(queue) == ITEMS


def test_takes_what_it_shows_and_never_more_than_32_ahead(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        queue.put_many(ITEMS)
        queue.shutdown()
        for seen, _ in enumerate(queue, start=1):
            taken = status(bus, queue).acked
            assert seen <= taken < seen + 32


def test_takes_one_at_a_time_for_who_is_slow(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        queue.put_many(ITEMS[:6])
        queue.shutdown()
        for seen, _ in enumerate(queue, start=1):
            assert status(bus, queue).acked == seen
            # As work that takes long does.
            threading.Event().wait(0.02)


def test_leaves_to_others_what_it_did_not_ask_for(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        queue.put_many(ITEMS)
        first = queue.items(prefetch=1)
        assert next(first) == "0"
        eventually(lambda: status(bus, queue).untaken == 1, "one item on its way")
        assert bus.open_queue(queue.name, codec="utf8").get() == "2"


def test_loses_nothing_when_the_loop_is_left(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        queue.put_many(ITEMS)
        seen: list[str] = []
        for _ in range(4):
            for count, item in enumerate(queue, start=1):
                seen.append(item)
                if count == 40:
                    break
            eventually(lambda: status(bus, queue).consumers == 0, "the subscription to end")
            seen.append(queue.get())
        queue.shutdown()
        assert seen + list(queue) == ITEMS


def test_raises_when_the_queue_is_deleted(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        ends: list[str] = []

        def loop() -> None:
            try:
                next(iter(queue))
            except NotFoundError as error:
                ends.append(error.reason)

        thread = threading.Thread(target=loop)
        thread.start()
        eventually(lambda: status(bus, queue).consumers == 1, "the subscription")
        queue.delete()
        thread.join(20)
        assert ends == ["QUEUE_DELETED"]
        with pytest.raises(NotFoundError):
            next(iter(queue))
