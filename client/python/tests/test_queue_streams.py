"""Many items: put in one call, got in batches."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from background import Background
from eventually import eventually
from forkbus import Client, ForkbusError, InvalidArgumentError, Queue, QueueShutDown
from forkbus.v1 import queue_pb2


def status(bus: Client, queue: Queue[str]) -> queue_pb2.QueueStatus:
    return bus.call(bus.queues.GetQueue, queue_pb2.GetQueueRequest(name=queue.name)).queue.status


def numbers(count: int) -> list[str]:
    return [str(n) for n in range(count)]


def test_moves_many_in_batches_in_order(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        told: list[int] = []
        queue.put_many(iter(numbers(50_000)), on_put=told.append)
        assert sum(told) == 50_000
        queue.shutdown()
        batches = list(queue.batches(300))
        assert max(map(len, batches)) <= 300 < len(batches[0]) * 2
        assert list(itertools.chain(*batches)) == numbers(50_000)
        assert list(queue.batches()) == []
        with pytest.raises(ValueError, match="at least 1 item"):
            queue.batches(0)


def test_reads_the_source_as_the_queue_has_room(bus: Client) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        for read in itertools.count(1):
            yield "x" * 10_000

    with bus.queue(codec="utf8", max_items=10) as queue:
        told: list[int] = []
        putting = Background(lambda: queue.put_many(endless(), on_put=told.append))
        eventually(lambda: status(bus, queue).ready == 10, "a full queue")
        # At most 8 MiB of items and the next one.
        eventually(lambda: read > 800, "the source to be read ahead")
        assert read <= 840
        assert len(queue.get_many(4)) == 4
        eventually(lambda: sum(told) == 14, "room to be used")
        queue.shutdown()
        assert isinstance(putting.join(), QueueShutDown)
        assert read <= 850
        assert sum(told) == status(bus, queue).put == 14


def test_puts_what_there_is_while_the_source_takes_its_time(bus: Client) -> None:
    go_on = threading.Event()

    def slow() -> Iterator[str]:
        yield from ["a", "b", "c"]
        assert go_on.wait(20)
        yield "d"

    with bus.queue(codec="utf8") as queue:
        putting = Background(lambda: queue.put_many(slow()))
        assert [queue.get(timeout=20) for _ in range(3)] == ["a", "b", "c"]
        go_on.set()
        assert putting.join() is None
        assert queue.get() == "d"


@pytest.mark.parametrize("timeout", [None, 20])
def test_puts_what_the_source_gave_before_it_raised(bus: Client, timeout: float | None) -> None:
    def failing() -> Iterator[str]:
        yield from numbers(3000)
        raise LookupError("no more")

    with bus.queue(codec="utf8") as queue:
        with pytest.raises(LookupError, match="no more"):
            queue.put_many(failing(), timeout=timeout)
        with pytest.raises(TypeError, match="str, got int"):
            queue.put_many(["x", 1], timeout=timeout)  # type: ignore[list-item]
        assert queue.get_many(5000) == [*numbers(3000), "x"]


def test_stops_at_what_the_queue_can_never_hold(bus: Client) -> None:
    with bus.queue(max_bytes=10) as queue:
        told: list[int] = []
        with pytest.raises(InvalidArgumentError) as too_large:
            queue.put_many([b"a", b"b", b"x" * 11, b"c"], on_put=told.append)
        assert (too_large.value.reason, too_large.value.metadata["max_bytes"]) == ("ITEM_TOO_LARGE", "10")
        assert (sum(told), queue.get_many(9)) == (2, [b"a", b"b"])


def test_gives_up_exactly_when_the_handle_is_closed(bus: Client) -> None:
    with bus.queue(codec="utf8", max_items=100) as queue:
        handle = bus.open_queue(queue.name, codec="utf8")
        told: list[int] = []
        putting = Background(lambda: handle.put_many(numbers(5000), on_put=told.append))
        eventually(lambda: status(bus, queue).ready == 100, "a full queue")
        seen = queue.get_many(70)
        handle.close()
        ended = putting.join()
        assert isinstance(ended, ForkbusError) and ended.code == "CANCELLED"
        queue.shutdown()
        seen += [item for batch in queue.batches() for item in batch]
        assert seen == numbers(sum(told))
        assert len(seen) >= 100


def test_uses_one_stream_again_and_ends_it_when_it_is_idle(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        for n in range(100):
            queue.put_many([str(n)])
            assert status(bus, queue).producers <= 1
        eventually(lambda: status(bus, queue).producers == 0, "the stream to end")
        queue.put_many(["last"])
        assert queue.get_many(200) == [*numbers(100), "last"]


def test_puts_in_many_threads_each_in_its_order(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        puts = [
            Background(lambda name=name: queue.put_many(f"{name}{n}" for n in range(5000)))  # type: ignore[misc]
            for name in "abcd"
        ]
        assert [put.join() for put in puts] == [None] * 4
        queue.shutdown()
        seen = [item for batch in queue.batches() for item in batch]
        assert len(seen) == 20_000
        for name in "abcd":
            assert [item for item in seen if item[0] == name] == [f"{name}{n}" for n in range(5000)]


def test_leaves_to_the_next_what_a_loop_over_batches_did_not_ask_for(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        queue.put_many(numbers(1000))
        seen: list[str] = []
        for batch in queue.batches(100):
            seen += batch
            assert status(bus, queue).acked == len(seen)
            if len(seen) >= 300:
                break
        eventually(lambda: status(bus, queue).consumers == 0, "the stream to end")
        assert seen + queue.get_many(1000) == numbers(1000)
