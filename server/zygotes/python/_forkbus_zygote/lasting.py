"""What is still there once what is just ending has ended."""

from __future__ import annotations

import time
from typing import Callable

_PATIENCE_S = 1.0


def lasting(look: Callable[[], list[str]]) -> list[str]:
    """What `look` finds, unless it goes within a second: a joined thread lingers in the kernel."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found = look()
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.001)
