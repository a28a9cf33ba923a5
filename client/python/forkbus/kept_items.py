"""Items that are this program's and have not been handed on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class KeptItems:
    """Filled by the threads of gRPC, emptied by those of the program, in order."""

    def __init__(self) -> None:
        self._items: list[bytes] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, items: Iterable[bytes]) -> None:
        with self._lock:
            self._items.extend(items)

    def hand_on(self, most: int, decode: Callable[[bytes], T]) -> list[T]:
        """Takes the first ones, decoded.

        An interrupt leaves them here, or comes after they have been returned: Python handles signals where a function
        is called, so that a caller who only returns them loses none. An item that cannot be decoded is gone, and its
        error is raised; those before it stay.
        """
        taken: list[bytes] = []
        decoded: list[T] = []
        try:
            with self._lock:
                first = self._items[:most]
                try:
                    for item in first:
                        decoded.append(decode(item))
                except Exception:
                    del self._items[len(decoded)]
                    raise
                # No call between these two, so no interrupt.
                del self._items[:most]
                taken = first
            return decoded
        except BaseException:
            with self._lock:
                self._items[:0] = taken
            raise
