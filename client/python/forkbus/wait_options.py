"""How long to wait."""

from __future__ import annotations

import math
import time

_LONGEST_WAIT_MS = 0xFFFF_FFFF

# A moment on the monotonic clock; None when the wait has no end.
Deadline = float | None


def deadline_after(timeout: float | None, block: bool = True) -> Deadline:
    """When a wait of so many seconds ends; without `block` it is now. Raises ValueError for what is not a time."""
    if not block:
        return time.monotonic()
    if timeout is None or timeout == math.inf:
        return None
    if not timeout >= 0:
        raise ValueError(f"'timeout' must be a non-negative number, got {timeout}")
    return time.monotonic() + timeout


def wait_ms(deadline: Deadline) -> int | None:
    """What is left of a wait, as the field of a request; it shrinks when a call is repeated."""
    if deadline is None:
        return None
    left_ms = math.ceil(max(deadline - time.monotonic(), 0) * 1000)
    return None if left_ms > _LONGEST_WAIT_MS else left_ms
