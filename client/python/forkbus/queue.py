"""A handle of one queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Generic, TypeVar
from uuid import uuid4

from .cancellable_wait import wait_in_band
from .closing import Closing
from .connection import Connection
from .errors import ForkbusError, QueueEmpty
from .kept_items import KeptItems
from .queue_codec import Codec
from .queue_consumer import ConsumerOptions, consume
from .queue_frames import FrameBounds, frames
from .retry import did_nothing, repeat_while_unavailable
from .v1 import queue_pb2 as wire
from .v1.frame_pb2 import Frame
from .wait_options import Deadline, deadline_after, wait_ms

T = TypeVar("T")

_DEFAULT_PREFETCH = 64
_MOST_ITEMS_OF_GET = 65_536


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
        self._kept = KeptItems()

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        """Puts one item.

        Waits for room; raises QueueFull when there is none in time, QueueShutDown when there never will be.
        """
        self._put([self._codec.encode(item)], deadline_after(timeout, block))

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
        """Puts many items in order, in as few calls as they fit in; items of others may come between two calls.

        The time is for all of them. When a call fails, the items of those before it are in the queue: `on_put` is told
        how many, each time.
        """
        deadline = deadline_after(timeout, block)
        encoded = [self._codec.encode(item) for item in items]
        for run in frames(encoded, self._bounds):
            self._put(run, deadline)
            if on_put is not None:
                on_put(len(run))

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Gets one item. Raises QueueEmpty when none comes in time, QueueShutDown when none ever will."""
        for item in self._get(1, deadline_after(timeout, block)):
            return item
        raise QueueEmpty(self.name)

    def get_nowait(self) -> T:
        """Raises QueueEmpty unless there is an item now."""
        return self.get(block=False)

    def get_many(self, most: int, block: bool = True, timeout: float | None = None) -> list[T]:
        """Waits for the first item, and takes what else is there, at most `most`. Empty when none came in time."""
        if most < 1:
            raise ValueError(f"get_many takes at least 1 item, got {most}")
        return self._get(min(most, _MOST_ITEMS_OF_GET), deadline_after(timeout, block))

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
        yield from self._hand_on()
        options = ConsumerOptions(self.name, prefetch, self._closing, self._kept)
        for _ in consume(self._connection, options):
            yield from self._hand_on()

    def qsize(self) -> int:
        """Items that a get could have at once. By the time that it is known it may be different."""
        return self._status().ready + len(self._kept)

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

    def _put(self, items: Sequence[bytes], deadline: Deadline) -> None:
        # One id for all attempts, so that they store once.
        request_id = str(uuid4())
        frame = Frame(items=items)

        def put() -> None:
            request = wire.PutRequest(
                queue=self.name, request_id=request_id, frame=frame, wait_ms=wait_ms(deadline)
            )
            wait_in_band(self._connection, request_id, self._connection.queues.Put, request, self._closing)

        try:
            repeat_while_unavailable(self._connection.reconnect, self._closing.sleep, put)
        except ForkbusError as error:
            if error.reason == "WAIT_CANCELLED":
                self._closing.check()
            raise

    def _get(self, most: int, deadline: Deadline) -> list[T]:
        while True:
            items = self._kept.hand_on(most, self._codec.decode)
            # Between here and the caller nothing is called: that is where an interrupt would lose them.
            if items:
                return items
            response = repeat_while_unavailable(
                self._connection.reconnect,
                self._closing.sleep,
                lambda: self._get_once(most, deadline),
                did_nothing,
            )
            if len(response.frame.items) == 0:
                if response.end == wire.GET_END_CANCELLED:
                    self._closing.check()
                return []
            # The items are kept now. Where another thread is quicker than this one, the wait goes on.

    def _get_once(self, most: int, deadline: Deadline) -> wire.GetResponse:
        request_id = str(uuid4())
        request = wire.GetRequest(
            queue=self.name, request_id=request_id, max_items=most, wait_ms=wait_ms(deadline)
        )
        return wait_in_band(
            self._connection,
            request_id,
            self._connection.queues.Get,
            request,
            self._closing,
            lambda response: self._kept.add(response.frame.items),
        )

    def _hand_on(self) -> Iterator[T]:
        while len(self._kept) > 0:
            yield from self._kept.hand_on(1, self._codec.decode)

    def _status(self) -> wire.QueueStatus:
        request = wire.GetQueueRequest(name=self.name)
        return self._connection.repeat(self._connection.queues.GetQueue, lambda: request).queue.status
