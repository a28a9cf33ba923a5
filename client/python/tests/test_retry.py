"""What happens when the connection breaks, or the daemon is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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


class Background:
    """A call in a thread, and how it ended."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.result: object = None
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> object:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.result

    def _run(self) -> None:
        try:
            self.result = self._call()
        except Exception as error:
            self.result = error


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


def test_gives_up_when_the_daemon_stays_away(daemon: Daemon) -> None:
    with connect(daemon.address, reconnect=0.3) as bus:
        queue = bus.queue(codec="utf8")
        daemon.kill()
        with pytest.raises(UnavailableError):
            queue.put("item")
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
