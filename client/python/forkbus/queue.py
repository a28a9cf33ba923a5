"""A handle of one queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

from .closing import Closing
from .connection import Connection
from .errors import QueueEmpty
from .queue_codec import Codec
from .queue_frames import FrameBounds
from .queue_getter import QueueGetter
from .queue_putter import EncodedItems, QueuePutter
from .v1 import queue_pb2 as wire
from .wait_options import deadline_after

T = TypeVar("T")

_DEFAULT_PREFETCH = 64
_DEFAULT_BATCH = 1024


class Queue(Generic[T]):
    """A handle of one queue, with the names of Python's `multiprocessing.Queue`.

    Items come out in the order in which they were put, each at most once; they live in the daemon's memory, and are
    gone with it. Any number of threads may use one handle.

    Puts are repeated when the connection breaks, and stored once. Gets are not: after an UnavailableError the items of
    one answer may be lost. An interrupt such as Ctrl-C gives a wait up in-band: a get that it ends has lost nothing,
    and what the get brought all the same comes first in the next one on this handle; a put that it ends has been
    stored, or never will be.
    """

    def __init__(self, connection: Connection, message: wire.Queue, codec: Codec[T], owned: bool) -> None:
        """Programs use `Client.queue` and `Client.open_queue`."""
        self.name = message.name
        self.uid = message.uid
        self._connection = connection
        self._codec = codec
        self._owned = owned
        self._bounds = FrameBounds(message.spec.max_items, message.spec.max_bytes)
        self._closing = Closing(f"The handle of the queue {message.name} is closed")
        blocks = message.spec.full_policy != wire.FULL_POLICY_REJECT
        self._putter = QueuePutter(connection, message.name, self._bounds, blocks, self._closing)
        self._getter = QueueGetter(connection, message.name, codec, self._closing)

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        """Puts one item.

        Waits for room; raises QueueFull when there is none in time, QueueShutDown when there never will be.
        """
        self._putter.put(self._codec.encode(item), deadline_after(timeout, block))

    def put_nowait(self, item: T) -> None:
        """Raises QueueFull unless there is room now."""
        self.put(item, block=False)

    def put_many(
        self,
        items: Iterable[T],
        block: bool = True,
        timeout: float | None = None,
        *,
        on_put: Callable[[int], object] | None = None,
    ) -> None:
        """Puts many items in order; items of others may come between them.

        Items are read from `items` as they go, and a few megabytes of them are under way at a time. When this raises,
        also at an interrupt, those that `on_put` was told of are in the queue, and no others ever will be: it is told
        how many more are stored, each time. An interrupt inside `on_put` itself is its own to handle. What the source
        gave before it raised is put.

        The time is for all of them. Without one they go on one stream, and otherwise in as few calls as they fit in.
        """
        self._putter.put_many(EncodedItems(items, self._codec), deadline_after(timeout, block), on_put)

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Gets one item. Raises QueueEmpty when none comes in time, QueueShutDown when none ever will."""
        for item in self._getter.get(1, deadline_after(timeout, block)):
            return item
        raise QueueEmpty(self.name)

    def get_nowait(self) -> T:
        """Raises QueueEmpty unless there is an item now."""
        return self.get(block=False)

    def get_many(self, most: int, block: bool = True, timeout: float | None = None) -> list[T]:
        """Waits for the first item, and takes what else is there, at most `most`. Empty when none came in time."""
        if most < 1:
            raise ValueError(f"get_many takes at least 1 item, got {most}")
        return self._getter.get(most, deadline_after(timeout, block))

    def __iter__(self) -> Iterator[T]:
        return self.items()

    def items(self, *, prefetch: int = _DEFAULT_PREFETCH) -> Iterator[T]:
        """Gets items until the queue is shut down and drained.

        An item is taken from the queue shortly before the loop sees it: when this program dies, at most 32 are lost
        with it, and only one if each takes long. Leaving the loop gives back what was not taken; what was taken and not
        seen stays here for the next get or loop.

        Up to `prefetch` items wait here for their turn, where no other consumer can have them, and go back to the queue
        when the loop ends. 1 shares long work evenly.
        """
        if prefetch < 1:
            raise ValueError(f"At least 1 item is fetched, got {prefetch}")
        return self._getter.items(prefetch)

    def batches(self, max_items: int = _DEFAULT_BATCH) -> Iterator[list[T]]:
        """Gets items as lists of at most so many, as many as there are, until the queue is shut down and drained.

        The fastest way to get many. A batch is taken from the queue as a whole when the loop asks for it: when this
        program dies, that batch is lost with it. Otherwise as `items`.
        """
        if max_items < 1:
            raise ValueError(f"A batch has at least 1 item, got {max_items}")
        return self._getter.batches(max_items)

    def qsize(self) -> int:
        """Items that a get could have at once. By the time that it is known it may be different."""
        return self._status().ready + self._getter.kept

    def empty(self) -> bool:
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether a put would have to wait. What others hold and have not taken counts."""
        status = self._status()
        full_of_items = 0 < self._bounds.max_items <= status.ready + status.untaken
        return full_of_items or 0 < self._bounds.max_bytes <= status.stored_bytes

    def shutdown(self, immediate: bool = False) -> None:
        """Ends putting for good, for everyone.

        Gets go on until the queue is empty, and then raise QueueShutDown; with `immediate` what is there is dropped.
        """
        request = wire.ShutdownQueueRequest(name=self.name, immediate=immediate)
        self._connection.repeat(self._connection.queues.ShutdownQueue, lambda: request)

    def delete(self, *, only_if_empty: bool = False) -> None:
        """Removes the queue with its items; all who wait get NotFoundError. Deleting what is not there is no error."""
        request = wire.DeleteQueueRequest(name=self.name, uid=self.uid, only_if_empty=only_if_empty)
        self._connection.repeat(self._connection.queues.DeleteQueue, lambda: request)

    def close(self) -> None:
        """Ends the waits and loops of this handle, in all threads, with ForkbusError CANCELLED. Any number of times.

        The queue and its items stay; what a loop that was left early had taken and not seen goes with the handle.
        """
        self._closing.close()

    def __enter__(self) -> Queue[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the handle, and deletes the queue if it was made for it, without a name."""
        self.close()
        if self._owned:
            self.delete()

    def _status(self) -> wire.QueueStatus:
        request = wire.GetQueueRequest(name=self.name)
        return self._connection.repeat(self._connection.queues.GetQueue, lambda: request).queue.status
