"""What code inside a worker can know and ask of it."""

from __future__ import annotations

from typing import Any, Callable, Optional


class WorkerHandle:
    """
    The worker that this process is: `id` as 32 hex digits, `name`, and `arguments` as a tuple and a dict.
    """

    __slots__ = ("_serve", "arguments", "id", "name")

    def __init__(
        self, id: str, name: str, arguments: tuple[tuple[Any, ...], dict[str, Any]], serve: Callable[[], None]
    ) -> None:
        self.id = id
        self.name = name
        self.arguments = arguments
        self._serve = serve

    def serve_forks(self) -> None:
        """
        Lets others fork workers from this process, with all its state, until the daemon releases it; then returns. Only
        the caller's process returns: a forked worker runs its own target and ends.

        Raises RuntimeError, naming them, while this process has other threads.
        """
        self._serve()


_current: Optional[WorkerHandle] = None


def current() -> Optional[WorkerHandle]:
    """The worker that this process is; None in a zygote."""
    return _current


def become(worker: Optional[WorkerHandle]) -> None:
    global _current
    _current = worker
