"""What the workers of the tests call. Loads nothing that a plain interpreter does not have."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

state: dict[str, Any] = {"loaded_in": os.getpid()}


class PaperJam(Exception):
    def __init__(self, tray: int, *, sheets: int = 0) -> None:
        super().__init__(tray)
        self.tray = tray
        self.sheets = sheets


class Unpicklable(Exception):
    def __reduce__(self) -> str:
        raise TypeError("not with me")


class Counter:
    def __init__(self, start: int) -> None:
        self.count = start

    def add(self, more: int) -> Counter:
        self.count += more
        return self


def describe(*args: Any, **kwargs: Any) -> Any:
    return {"args": list(args), "kwargs": kwargs}


async def later(value: Any) -> Any:
    return value


def jam(tray: int) -> None:
    raise PaperJam(tray)


def fail_alone() -> None:
    raise Unpicklable("mine")


def reverse(data: bytes) -> bytes:
    return data[::-1]


def leave(code: int) -> None:
    os._exit(code)


def die(number: int) -> None:
    os.kill(os.getpid(), number)
    signal.pause()


def warm_up(word: str) -> None:
    state["word"] = word


def look() -> Any:
    """What came from the template."""
    return {**state, "pid": os.getpid(), "parsed": "xml.dom.minidom" in sys.modules}


def limits() -> Any:
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE), sorted(os.sched_getaffinity(0)), os.environ["GREETING"]


def use_bus(queue: str, *, offset: int = 0) -> Any:
    """Talks to the daemon from inside."""
    from forkbus import worker

    with worker.client().open_queue(queue, codec="json") as items:
        item = items.get(timeout=30) + offset
    return {"id": worker.id, "name": worker.name, "item": item, "arguments": worker.arguments}


def serve(queue: str) -> Any:
    """Builds up state with a connection open, and offers it."""
    from forkbus import worker

    state["served"] = use_bus(queue)["item"]
    worker.serve_forks()
    state["released"] = True
    return state, use_bus(queue)["item"]


def serve_with_a_thread() -> None:
    import threading

    from forkbus import worker

    threading.Thread(target=threading.Event().wait, name="lingering", daemon=True).start()
    worker.serve_forks()
