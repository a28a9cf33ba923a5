"""The end of a handle, told to everyone who waits on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import ForkbusError


class Closing:
    """Happens once, in any thread. Whoever waits links a wake-up to it, which is called at once if it has happened."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._links: dict[object, Callable[[], object]] = {}

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            wake_ups = list(self._links.values())
        for wake_up in wake_ups:
            wake_up()

    def check(self) -> None:
        """Raises when it has happened."""
        if self._closed.is_set():
            raise ForkbusError(self._message, code="CANCELLED")

    def sleep(self, seconds: float) -> None:
        """Sleeps unless, and until, it happens; then raises."""
        self._closed.wait(seconds)
        self.check()

    @contextmanager
    def calling(self, wake_up: Callable[[], object]) -> Iterator[None]:
        link = object()
        with self._lock:
            self._links[link] = wake_up
        try:
            if self._closed.is_set():
                wake_up()
            yield
        finally:
            with self._lock:
                self._links.pop(link, None)
