"""Programs that are interrupted or killed while they wait."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from child_program import Child
from eventually import eventually
from forkbus import Client, Queue
from forkbus.v1 import queue_pb2

Start = Callable[..., Child]


def status(bus: Client, queue: Queue[str]) -> queue_pb2.QueueStatus:
    return bus.call(bus.queues.GetQueue, queue_pb2.GetQueueRequest(name=queue.name)).queue.status


WAITS = {
    "get": "queue.get()",
    "put": "queue.put('more')",
    "large put": "queue.put('x' * 2_000_000)",
    "put_many": "queue.put_many(str(n) for n in range(100_000))",
    "loop": "list(queue)",
    "batches": "list(queue.batches())",
    "join": "bus.attach(worker).join()",
    "output": "bus.attach(worker).stdout.text()",
    "stop": "bus.attach(worker).stop(grace=60)",
}


@pytest.mark.parametrize("wait", WAITS)
def test_ends_at_ctrl_c_whatever_it_waits_for(bus: Client, start_child: Start, wait: str) -> None:
    program = f"""
import sys
from forkbus import connect
bus = connect()
queue, worker = bus.open_queue(sys.argv[1], codec="utf8"), sys.argv[2]
print("waits", flush=True)
{WAITS[wait]}
"""
    stubborn = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]
    with bus.queue(codec="utf8", max_items=1) as queue, bus.process(argv=stubborn).start() as worker:
        assert next(worker.stdout.lines()) == "ready"
        if "put" in wait and wait != "output":
            queue.put("first")
        child = start_child(program, queue.name, worker.name)
        assert child.read() == "waits"
        if wait not in ("join", "output", "stop"):
            eventually(lambda: is_waiting(status(bus, queue)), "the wait")
        child.process.send_signal(signal.SIGINT)
        assert child.end() == -signal.SIGINT
        eventually(lambda: not is_waiting(status(bus, queue)), "the wait to be given up")
        if "put" in wait and wait != "output":
            assert queue.get_many(9) == ["first"]
        queue.put("still works")
        assert queue.get() == "still works"
        worker.kill()


def is_waiting(now: queue_pb2.QueueStatus) -> bool:
    return now.waiting_gets + now.waiting_puts + now.consumers > 0


# Raises wherever the client itself runs, and nowhere else: what the program does with an item is not the client's.
RACING = """
import os, signal, sys
from forkbus import connect

def interrupt(number, frame):
    inside = frame is not None
    while inside and "/forkbus/" not in frame.f_code.co_filename:
        frame = frame.f_back
        inside = frame is not None
    if inside:
        raise KeyboardInterrupt
    os.write(1, b"missed\\n")

bus = connect()
queue = bus.open_queue(sys.argv[1], codec="utf8")
signal.signal(signal.SIGINT, interrupt)
os.write(1, b"waits\\n")
while True:
    try:
        item = queue.get()
        os.write(1, f"got {item}\\n".encode())
        if item == "end":
            break
    except KeyboardInterrupt:
        # When the client has done with it: a second interrupt would not let it finish.
        os.write(1, b"interrupt\\n")
"""


def test_loses_no_item_when_ctrl_c_races_with_a_get(bus: Client, start_child: Start) -> None:
    with bus.queue(codec="utf8") as queue:
        child = start_child(RACING, queue.name)
        assert child.read() == "waits"
        interrupts = 0
        for round in range(100):
            if round % 2 == 0:
                child.process.send_signal(signal.SIGINT)
                queue.put(str(round))
            else:
                queue.put(str(round))
                child.process.send_signal(signal.SIGINT)
            lines = {child.read(), child.read()}
            assert f"got {round}" in lines
            interrupts += "interrupt" in lines
        queue.put("end")
        assert child.read() == "got end"
        assert child.end() == 0
        assert interrupts > 0


# Interrupted anywhere in put_many, it must know what is stored. Only while it counts an interrupt has to wait, and in
# the callback of a WeakSet: CPython ignores what is raised there.
PUTTING = """
import os, signal, sys
from forkbus import connect

def interrupt(number, frame):
    if frame.f_code.co_name in ("add", "_remove"):
        signal.setitimer(signal.ITIMER_REAL, 0.001)
    else:
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
signal.signal(signal.SIGALRM, interrupt)
queue = connect().open_queue(sys.argv[1], codec="utf8")
stored, round = 0, 0
def add(more):
    global stored
    stored += more
os.write(1, b"ready\\n")
while sys.stdin.readline():
    round, stored = round + 1, 0
    try:
        os.write(1, b"puts\\n")
        queue.put_many((f"{round} {n}" for n in range(1_000_000)), on_put=add)
    except KeyboardInterrupt:
        os.write(1, f"{stored}\\n".encode())
"""


def test_knows_what_is_stored_when_ctrl_c_ends_a_put_of_many(bus: Client, start_child: Start) -> None:
    with bus.queue(codec="utf8") as queue:
        child = start_child(PUTTING, queue.name)
        assert child.read() == "ready"
        for round, least in enumerate((0, 1, 20, 2000, 10_000, 50_000), start=1):
            before = status(bus, queue).put
            child.write("")
            assert child.read() == "puts"
            eventually(lambda: status(bus, queue).put - before >= least, "some to be stored")
            child.process.send_signal(signal.SIGINT)
            stored = int(child.read())
            assert status(bus, queue).put - before == stored >= least
            seen: list[str] = []
            while len(seen) < stored:
                seen += queue.get_many(65_536)
            assert seen == [f"{round} {n}" for n in range(stored)]
        # Nothing comes later.
        assert (child.end(), queue.empty()) == (0, True)


@pytest.mark.parametrize("when", ["before", "after"])
def test_has_put_a_large_item_or_never_will_when_ctrl_c_races_with_it(
    bus: Client, start_child: Start, when: str
) -> None:
    program = """
import os, sys
from forkbus import connect
queue = connect().open_queue(sys.argv[1])
item = bytes(4_000_000)
while sys.stdin.readline():
    try:
        os.write(1, b"puts\\n")
        queue.put(item)
        # The interrupt may come a little later.
        sys.stdin.readline()
    except KeyboardInterrupt:
        os.write(1, b"interrupt\\n")
"""
    with bus.queue(codec="utf8") as queue:
        child = start_child(program, queue.name)
        for _ in range(8):
            before = status(bus, queue).put
            child.write("")
            assert child.read() == "puts"
            if when == "after":
                eventually(lambda: status(bus, queue).put + status(bus, queue).producers > before, "the put")
            child.process.send_signal(signal.SIGINT)
            assert child.read() == "interrupt"
            stored = status(bus, queue).put
            assert stored - before in (0, 1)
            eventually(lambda: status(bus, queue).producers == 0, "the stream to end")
            assert status(bus, queue).put == stored
        assert child.end() == 0


BATCHES = """
import os, sys
from forkbus import connect
for batch in connect().open_queue(sys.argv[1], codec="utf8").batches(100):
    os.write(1, (" ".join(batch) + "\\n").encode())
    if batch[-1] == sys.argv[2]:
        sys.stdin.readline()
"""


def test_loses_no_more_than_the_batch_in_which_it_is_killed(bus: Client, start_child: Start) -> None:
    items = [str(n) for n in range(2000)]
    with bus.queue(codec="utf8") as queue:
        queue.put_many(items)
        child = start_child(BATCHES, queue.name, "899")
        seen: list[str] = []
        while not seen or seen[-1] != "899":
            batch = child.read().split(" ")
            assert 0 < len(batch) <= 100
            seen += batch
        child.process.kill()
        child.process.wait()
        eventually(lambda: status(bus, queue).consumers == 0, "the daemon to notice")
        queue.shutdown()
        # It had seen the batch before it died, and had not asked for the next one.
        assert seen + [item for batch in queue.batches() for item in batch] == items


LOOP = """
import os, sys, time
from forkbus import connect
for item in connect().open_queue(sys.argv[1], codec="utf8"):
    os.write(1, f"{item}\\n".encode())
    time.sleep(float(sys.argv[2]))
    if item == sys.argv[3]:
        sys.stdin.readline()
"""


def kill_in_loop(bus: Client, start_child: Start, queue: Queue[str], seconds: str, last: str) -> list[str]:
    """What a looping program had seen when it was killed at an item."""
    child = start_child(LOOP, queue.name, seconds, last)
    seen = [child.read()]
    while seen[-1] != last:
        seen.append(child.read())
    child.process.kill()
    child.process.wait()
    assert child.process.returncode == -signal.SIGKILL
    eventually(lambda: status(bus, queue).consumers == 0, "the daemon to notice")
    return seen


@pytest.mark.parametrize("last", [0, 31, 62, 63, 150])
def test_loses_at_most_31_more_when_it_is_killed_in_a_fast_loop(bus: Client, start_child: Start, last: int) -> None:
    items = [str(n) for n in range(300)]
    with bus.queue(codec="utf8") as queue:
        queue.put_many(items)
        seen = kill_in_loop(bus, start_child, queue, "0", str(last))
        queue.shutdown()
        rest = list(queue)
        lost = len(items) - len(seen) - len(rest)
        # The chunk of at most 32 in which it died; all else is there, once and in its old place.
        assert 0 <= lost <= 31
        assert seen + items[len(seen) : len(seen) + lost] + rest == items


def test_loses_nothing_it_has_not_seen_when_it_is_killed_in_a_slow_loop(bus: Client, start_child: Start) -> None:
    items = [str(n) for n in range(100)]
    with bus.queue(codec="utf8") as queue:
        queue.put_many(items)
        seen = kill_in_loop(bus, start_child, queue, "0.02", "9")
        assert len(seen) == 10
        assert queue.get_many(100) == items[10:]
