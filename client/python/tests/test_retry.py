"""What happens when the connection breaks, or the daemon is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from background import Background
from cutting_proxy import CuttingProxy
from daemon_harness import Daemon
from eventually import eventually
from forkbus import Client, NotFoundError, Queue, UnavailableError, connect
from forkbus.v1 import queue_pb2


@pytest.fixture
def proxy(shared_daemon: Daemon, tmp_path: Path) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(tmp_path, shared_daemon.address)
    yield proxy
    proxy.close()


def status(bus: Client, queue: Queue[str]) -> queue_pb2.QueueStatus:
    return bus.call(bus.queues.GetQueue, queue_pb2.GetQueueRequest(name=queue.name)).queue.status


def test_stores_an_item_once_when_the_answer_to_its_put_is_lost(bus: Client, proxy: CuttingProxy) -> None:
    with connect(proxy.address) as cut_off, bus.queue(codec="utf8") as queue:
        handle = cut_off.open_queue(queue.name, codec="utf8")
        proxy.hold()
        putting = Background(lambda: handle.put("once"))
        eventually(lambda: status(bus, queue).put == 1, "the put to be stored")
        proxy.cut()
        assert putting.join() is None
        assert status(bus, queue).put == 1
        assert queue.get_many(9) == ["once"]


def test_stores_each_item_once_and_in_order_when_it_is_cut_off_in_the_middle(bus: Client, proxy: CuttingProxy) -> None:
    items = [f"{n:0100}" for n in range(60_000)]
    with connect(proxy.address) as cut_off, bus.queue(codec="utf8", max_items=40_000) as queue:
        told: list[int] = []

        def source() -> Iterator[str]:
            for index, item in enumerate(items):
                match index % 10_000:
                    case 3_000:
                        # With frames on their way.
                        proxy.cut()
                    case 6_000:
                        eventually(lambda: status(bus, queue).put == index, "all to be stored")
                        proxy.hold()
                    case 8_000:
                        # With frames whose answers never come.
                        eventually(lambda: status(bus, queue).put == index, "all to be stored")
                        proxy.cut()
                yield item

        def collect() -> list[str]:
            return [item for batch in queue.batches(500) for item in batch]

        handle = cut_off.open_queue(queue.name, codec="utf8")
        putting = Background(lambda: handle.put_many(source(), on_put=told.append))
        collecting = Background(collect)
        assert putting.join() is None
        assert sum(told) == status(bus, queue).put == len(items)
        queue.shutdown()
        assert collecting.join() == items


def test_stores_a_large_item_once_when_it_is_cut_off(bus: Client, proxy: CuttingProxy) -> None:
    item = "x" * 20_000_000
    with connect(proxy.address) as cut_off, bus.queue(codec="utf8") as queue:
        handle = cut_off.open_queue(queue.name, codec="utf8")
        proxy.hold()
        putting = Background(lambda: handle.put(item))
        eventually(lambda: status(bus, queue).producers == 1, "the stream")
        proxy.cut()
        eventually(lambda: status(bus, queue).put == 1, "the item to be stored")
        proxy.cut()
        assert putting.join() is None
        assert queue.get() == item
        assert status(bus, queue).put == 1


def test_gets_a_large_item_that_was_cut_off_before_it_was_taken(bus: Client, proxy: CuttingProxy) -> None:
    item = "x" * 20_000_000
    with connect(proxy.address) as cut_off, bus.queue(codec="utf8") as queue:
        handle = cut_off.open_queue(queue.name, codec="utf8")
        getting = Background(handle.get)
        eventually(lambda: status(bus, queue).waiting_gets == 1, "the wait")
        queue.put("small")
        assert getting.join() == "small"
        queue.put(item)
        getting = Background(handle.get)
        for _ in range(3):
            eventually(lambda: status(bus, queue).untaken == 1 or status(bus, queue).acked == 2, "it to be sent")
            proxy.cut()
        result = getting.join()
        # Lost only if it had been reported as taken, and then that is said.
        assert result == item or (isinstance(result, UnavailableError) and status(bus, queue).acked == 2)


def test_makes_one_worker_when_the_answer_to_its_start_is_lost(
    bus: Client, proxy: CuttingProxy, tmp_path: Path
) -> None:
    label = {"test": tmp_path.name.lower()}
    with connect(proxy.address) as cut_off:
        child = cut_off.process(argv=["sleep", "60"], labels=label)
        proxy.hold()
        starting = Background(child.start)
        eventually(lambda: len(list(bus.list(labels=label))) == 1, "the worker")
        proxy.cut()
        assert starting.join() is child
        with child:
            assert [each.uid for each in bus.list(labels=label)] == [child.uid]


def test_does_not_repeat_a_get_whose_answer_is_lost(bus: Client, proxy: CuttingProxy) -> None:
    with connect(proxy.address) as cut_off, bus.queue(codec="utf8") as queue:
        queue.put_many(["a", "b"])
        handle = cut_off.open_queue(queue.name, codec="utf8")
        proxy.hold()
        getting = Background(handle.get)
        eventually(lambda: status(bus, queue).acked == 1, "the item to be taken")
        proxy.cut()
        assert isinstance(getting.join(), UnavailableError)
        assert queue.get_many(9) == ["b"]


def test_goes_on_in_its_old_place_when_a_loop_is_cut_off(bus: Client, proxy: CuttingProxy) -> None:
    items = [str(n) for n in range(200)]
    with connect(proxy.address) as cut_off, bus.queue(codec="utf8") as queue:
        queue.put_many(items)
        seen = []
        for item in cut_off.open_queue(queue.name, codec="utf8"):
            seen.append(item)
            if len(seen) in (1, 70):
                proxy.cut()
            if len(seen) == 150:
                queue.shutdown()
        # A chunk whose confirmation was on its way at a cut may be gone: none was.
        assert seen == items


def test_ends_a_put_of_many_when_its_queue_is_gone_with_the_daemon(daemon: Daemon) -> None:
    with connect(daemon.address) as bus:
        queue = bus.queue(codec="utf8", max_items=10)
        putting = Background(lambda: queue.put_many(str(n) for n in range(1000)))
        eventually(lambda: status(bus, queue).waiting_puts > 0, "the wait")
        daemon.crash()
        gone = putting.join()
        assert isinstance(gone, NotFoundError) and gone.reason == "QUEUE_NOT_FOUND"


def test_gives_up_when_the_daemon_stays_away(daemon: Daemon) -> None:
    with connect(daemon.address, reconnect=0.3) as bus:
        queue = bus.queue(codec="utf8")
        daemon.kill()
        with pytest.raises(UnavailableError):
            queue.put("item")
        with pytest.raises(UnavailableError):
            queue.put_many(["item"])
        with pytest.raises(UnavailableError):
            next(queue.batches())
        with pytest.raises(UnavailableError):
            list(bus.list())


def test_waits_reads_and_writes_on_when_the_daemon_is_killed_and_started_again(daemon: Daemon) -> None:
    with connect(daemon.address) as bus:
        child = bus.process(argv=["cat"], open_stdin=True).start()
        queue = bus.queue(codec="utf8")
        reading, joining = Background(child.stdout.text), Background(child.join)
        looping = Background(lambda: list(queue))
        child.stdin.write("before, ")
        eventually(lambda: status(bus, queue).consumers == 1, "the loop")
        daemon.crash()
        child.stdin.end("and after")
        assert reading.join() == "before, and after"
        assert joining.join() is True
        assert child.exitcode == 0
        # Queues live in the daemon's memory.
        gone = looping.join()
        assert isinstance(gone, NotFoundError) and gone.reason == "QUEUE_NOT_FOUND"
        with pytest.raises(NotFoundError):
            queue.put("item")


def test_waits_for_a_daemon_that_is_yet_to_come(daemon: Daemon) -> None:
    daemon.kill()
    connecting = Background(lambda: connect(daemon.address, timeout=20))
    daemon.start()
    bus = connecting.join()
    assert isinstance(bus, Client)
    bus.close()
