"""How many items a loop takes at once."""

from __future__ import annotations

from typing import Protocol

# Most items that are taken before they are handed on one by one, which is what the death of this program can lose.
_LARGEST_CHUNK = 32
_QUICK = 0.01


class Pace(Protocol):
    window: int
    """Most items that lie here without having been taken."""
    chunk: int
    """Most items to take next."""

    def worked_off(self, seconds: float) -> None:
        """A chunk has been worked off in this time."""


class ItemPace:
    """For items one by one.

    One is taken at first; chunks double up to 32 while each is worked off within 10 ms, and shrink again, so that a
    slow consumer holds little and a fast one does not wait for each.
    """

    def __init__(self, prefetch: int) -> None:
        self.window = prefetch
        self.chunk = 1

    def worked_off(self, seconds: float) -> None:
        self.chunk = min(self.chunk * 2, _LARGEST_CHUNK) if seconds < _QUICK else -(-self.chunk // 2)


class BatchPace:
    """For batches: each is taken whole, and a few more wait."""

    def __init__(self, max_items: int) -> None:
        self.window = 4 * max_items
        self.chunk = max_items

    def worked_off(self, seconds: float) -> None:
        """Its size is the caller's."""
