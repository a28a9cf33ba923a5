"""Queues of a real daemon, with the names of Python's."""

from __future__ import annotations

import contextlib
import queue as python_queue
import sys
import threading
from datetime import date

import pytest

from daemon_harness import Daemon
from eventually import eventually
from forkbus import (
    AlreadyExistsError,
    Client,
    ForkbusError,
    InvalidArgumentError,
    NotFoundError,
    Queue,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
    connect,
)
from forkbus.v1 import queue_pb2


def status(bus: Client, queue: Queue[object] | Queue[str] | Queue[bytes]) -> queue_pb2.QueueStatus:
    return bus.call(bus.queues.GetQueue, queue_pb2.GetQueueRequest(name=queue.name)).queue.status


def test_is_fresh_without_a_name_and_deleted_at_the_end_of_its_block(bus: Client) -> None:
    with bus.queue() as queue:
        queue.put(b"\x01\x02")
        assert queue.get() == b"\x01\x02"
        assert bus.open_queue(queue.name).empty()
    with pytest.raises(NotFoundError) as caught:
        bus.open_queue(queue.name)
    assert caught.value.reason == "QUEUE_NOT_FOUND"


def test_stays_with_a_name_and_is_found_by_it(bus: Client) -> None:
    with bus.queue("stays", codec="json") as queue:
        queue.put({"n": 1})
    found = bus.open_queue("stays", codec="json")
    assert found.uid == queue.uid
    assert (found.qsize(), found.get(), found.empty()) == (1, {"n": 1}, True)
    with pytest.raises(AlreadyExistsError):
        bus.queue("stays", max_items=7)
    found.delete()
    found.delete()


def test_carries_items_of_every_codec_and_of_one_s_own(bus: Client) -> None:
    class Days:
        def encode(self, item: date, /) -> bytes:
            return item.isoformat().encode()

        def decode(self, data: bytes, /) -> date:
            return date.fromisoformat(data.decode())

    with bus.queue(codec=Days()) as days:
        days.put(date(2000, 2, 29))
        assert days.get() == date(2000, 2, 29)
    with bus.queue(codec="utf8") as texts:
        texts.put("é\n")
        assert texts.get() == "é\n"
        assert bus.open_queue(texts.name).empty()
    with bus.queue(codec="pickle") as objects:
        objects.put({1: (2, date(2000, 1, 1))})
        assert objects.get() == {1: (2, date(2000, 1, 1))}
    with bus.queue(codec="json") as values:
        values.put(["é", None, 1.5])
        assert bus.open_queue(values.name).get() == b'["\\u00e9",null,1.5]'
        with pytest.raises(ValueError):
            values.put(float("nan"))
    with pytest.raises(ValueError, match="A codec is one of"):
        bus.queue(codec="yaml")  # type: ignore[call-overload]


def test_refuses_an_item_that_is_not_what_the_codec_says(bus: Client) -> None:
    with bus.queue() as queue, pytest.raises(TypeError, match="bytes, got str"):
        queue.put("text")  # type: ignore[arg-type]
    with bus.queue(codec="utf8") as queue_of_text, pytest.raises(TypeError, match="str, got int"):
        queue_of_text.put(7)  # type: ignore[arg-type]


def test_loses_an_item_that_cannot_be_decoded_and_nothing_else(bus: Client) -> None:
    with bus.queue() as raw:
        raw.put_many([b"a", b"\xff", b"b"])
        texts = bus.open_queue(raw.name, codec="utf8")
        with pytest.raises(UnicodeDecodeError):
            texts.get_many(3)
        assert texts.get_many(3) == ["a", "b"]


def test_is_full_or_empty_in_time_as_python_says_it(bus: Client) -> None:
    with bus.queue(codec="utf8", max_items=1) as queue:
        for empty in (queue.get_nowait, lambda: queue.get(timeout=0.005), lambda: queue.get(False)):
            with pytest.raises(QueueEmpty) as no_item:
                empty()
            assert isinstance(no_item.value, python_queue.Empty)
        assert queue.get_many(9, timeout=0) == []
        assert not queue.full()
        queue.put("one")
        assert queue.full()
        for full in (queue.put_nowait, lambda item: queue.put(item, timeout=0.005)):
            with pytest.raises(QueueFull) as no_room:
                full("two")
            assert isinstance(no_room.value, python_queue.Full)
        assert no_room.value.reason == "QUEUE_FULL"
        with pytest.raises(ValueError, match="non-negative"):
            queue.get(timeout=-1)
        with pytest.raises(ValueError, match="at least 1 item"):
            queue.get_many(0)
        assert queue.get() == "one"


def test_rejects_at_once_where_it_was_made_so(bus: Client) -> None:
    with bus.queue(max_bytes=3, when_full="reject") as queue:
        queue.put(b"123")
        assert queue.full()
        with pytest.raises(QueueFull):
            queue.put(b"4")


def test_takes_nothing_more_after_shutdown_and_gives_what_is_left(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        queue.put_many(["a", "b"])
        queue.shutdown()
        with pytest.raises(QueueShutDown) as no_more:
            queue.put("c")
        if sys.version_info >= (3, 13):
            assert isinstance(no_more.value, python_queue.ShutDown)
        assert queue.get_many(9) == ["a", "b"]
        with pytest.raises(QueueShutDown):
            queue.get()
        assert list(queue) == []


def test_drops_what_is_there_when_it_is_shut_down_immediately(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        queue.put_many(["a", "b"])
        queue.shutdown(immediate=True)
        with pytest.raises(QueueShutDown):
            queue.get()


def test_puts_many_in_runs_that_it_can_hold_and_tells_how_many_are_in_it(bus: Client) -> None:
    with bus.queue(codec="utf8", max_items=2) as queue:
        got: list[str] = []
        put: list[int] = []
        getting = threading.Thread(target=lambda: got.extend(queue.get_many(2)))
        getting.start()
        with pytest.raises(QueueFull):
            queue.put_many(["a", "b", "c", "d", "e"], timeout=0.2, on_put=put.append)
        getting.join()
        assert (got, put) == (["a", "b"], [2, 2])
        assert queue.get_many(9) == ["c", "d"]


def test_moves_many_items_of_every_size_in_order(bus: Client) -> None:
    items = [bytes([n % 256]) * (n * 97 % 70_000) for n in range(300)] + [b"", b"x" * 1_048_512]
    with bus.queue() as queue:
        queue.put_many(items)
        queue.shutdown()
        seen = queue.get_many(5) + [queue.get()]
        seen += list(queue)
        assert seen == items


def test_refuses_an_item_that_fits_nowhere_by_name(bus: Client) -> None:
    with bus.queue(max_bytes=10) as queue:
        with pytest.raises(InvalidArgumentError) as too_large:
            queue.put_many([b"fits", b"x" * 11])
        assert too_large.value.reason == "ITEM_TOO_LARGE"
        assert too_large.value.metadata["max_bytes"] == "10"
        assert queue.get() == b"fits"


def test_ends_the_waits_of_a_handle_that_is_closed_in_all_threads(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        ends: list[str] = []

        def wait(call: object) -> None:
            try:
                assert callable(call)
                call()
            except ForkbusError as error:
                ends.append(error.code)

        calls = [queue.get] * 8 + [lambda: next(iter(queue))]
        threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        eventually(lambda: status(bus, queue).waiting_gets == 8 and status(bus, queue).consumers == 1, "9 waits")
        queue.close()
        for thread in threads:
            thread.join(20)
        assert ends == ["CANCELLED"] * 9
        with pytest.raises(ForkbusError, match="handle of the queue"):
            queue.get()
        again = bus.open_queue(queue.name, codec="utf8")
        again.put("still there")
        assert again.get() == "still there"


def test_ends_all_calls_when_the_client_is_closed(bus: Client, shared_daemon: Daemon) -> None:
    with bus.queue() as queue, connect(shared_daemon.address) as other:
        handle = other.open_queue(queue.name)
        ends: list[str] = []

        def wait() -> None:
            try:
                handle.get()
            except ForkbusError as error:
                ends.append(str(error))

        thread = threading.Thread(target=wait)
        thread.start()
        eventually(lambda: status(bus, queue).waiting_gets == 1, "the wait")
        other.close()
        thread.join(20)
        assert ends == ["The client is closed"]
        with pytest.raises(ForkbusError, match="The client is closed"):
            handle.qsize()
        queue.put(b"still there")
        assert queue.get() == b"still there"


def test_neither_loses_nor_doubles_when_closing_races_with_a_put(bus: Client) -> None:
    with bus.queue(codec="utf8") as queue:
        for round in range(50):
            handle = bus.open_queue(queue.name, codec="utf8")
            got: list[str] = []

            def get(handle: Queue[str] = handle, got: list[str] = got) -> None:
                try:
                    got.append(handle.get())
                except ForkbusError as error:
                    assert error.code == "CANCELLED"

            thread = threading.Thread(target=get)
            thread.start()
            eventually(lambda: status(bus, queue).waiting_gets == 1, "the wait")
            putting = threading.Thread(target=queue.put, args=("item",))
            putting.start()
            handle.close()
            putting.join()
            thread.join(20)
            left = queue.get_many(9, timeout=0)
            assert len(got) + len(left) == 1, f"round {round}"


def test_is_shared_by_threads_each_item_once(bus: Client) -> None:
    items = [str(n) for n in range(2000)]
    with bus.queue(codec="utf8") as queue:
        seen: list[str] = []

        def get() -> None:
            with contextlib.suppress(QueueShutDown):
                while True:
                    seen.append(queue.get())

        threads = [threading.Thread(target=lambda: seen.extend(queue)) for _ in range(3)]
        threads += [threading.Thread(target=get) for _ in range(3)]
        for thread in threads:
            thread.start()
        queue.put_many(items)
        queue.shutdown()
        for thread in threads:
            thread.join(60)
        assert sorted(seen) == sorted(items)
