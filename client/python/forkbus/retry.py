"""Repeating calls while the daemon is away."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from .errors import ForkbusError

_FIRST_PAUSE = 0.025
_LONGEST_PAUSE = 0.5

T = TypeVar("T")


def is_unavailable(error: ForkbusError) -> bool:
    return error.code == "UNAVAILABLE"


def did_nothing(error: ForkbusError) -> bool:
    """The daemon answered that it did nothing, so that even a call that must not run twice may be repeated."""
    return error.reason == "DRAINING"


class Outage:
    """Time since the daemon stopped to answer. Streams, which resume where they were, drive it themselves."""

    def __init__(self, reconnect: float, sleep: Callable[[float], None]) -> None:
        self._reconnect = reconnect
        self._sleep = sleep
        self._attempt_at = 0.0
        self._began: float | None = None
        self._pause = _FIRST_PAUSE

    def attempt(self) -> None:
        """An attempt begins now."""
        self._attempt_at = time.monotonic()

    def over(self) -> None:
        """The daemon has answered."""
        self._began = None
        self._pause = _FIRST_PAUSE

    def pause(self, error: ForkbusError, may_repeat: Callable[[ForkbusError], bool] = is_unavailable) -> None:
        """Waits before the next attempt, or raises the error when it may not be repeated or has lasted too long."""
        if not may_repeat(error):
            raise error
        now = time.monotonic()
        if now - self._attempt_at > self._reconnect:
            self.over()
        if self._began is None:
            self._began = now
        left = self._began + self._reconnect - now
        if left <= 0:
            raise error
        pause = max(self._pause * random.uniform(0.5, 1), error.retry_after or 0)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        self._sleep(min(pause, left))


def repeat_while_unavailable(
    reconnect: float,
    sleep: Callable[[float], None],
    call: Callable[[], T],
    may_repeat: Callable[[ForkbusError], bool] = is_unavailable,
) -> T:
    """Runs a call that may be repeated, again and again while it ends in UNAVAILABLE.

    When the outage has lasted `reconnect` seconds the last error is raised. A call that lived longer than that before
    it broke, as a wait does, begins a new outage. Pauses double from 25 to 500 ms, and are drawn at random so that
    clients of a daemon that comes back do not come all at once; a pause that the daemon asks for is kept. `may_repeat`
    narrows which errors count.
    """
    outage = Outage(reconnect, sleep)
    while True:
        outage.attempt()
        try:
            return call()
        except ForkbusError as error:
            outage.pause(error, may_repeat)
