"""Waking a thread that waits, in a way that signals cannot break."""

from __future__ import annotations

import threading

_LOOK_AROUND = 0.1


class Wakeup:
    """For one thread that waits; any thread may ring. A ring that nobody waits for is kept for the next wait.

    It is a single lock of the interpreter's own, so that a signal finds no half-way state, as it might in a Condition.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        try:
            self._lock.release()
        except RuntimeError:
            # It has been rung.
            pass

    def wait(self, seconds: float | None = None) -> None:
        """Returns when it was rung, when the time is over, or for no reason: callers wait in a loop.

        In the main thread it returns often, because a signal that the kernel gave to another thread is noticed only
        when this one runs.
        """
        if threading.current_thread() is threading.main_thread():
            seconds = _LOOK_AROUND if seconds is None else min(seconds, _LOOK_AROUND)
        self._lock.acquire(timeout=-1 if seconds is None else max(seconds, 0))
