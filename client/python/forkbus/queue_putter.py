"""Putting items in the way that keeps the promise and costs least."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar
from uuid import uuid4

from .cancellable_wait import wait_in_band
from .closing import Closing
from .connection import Connection
from .errors import ForkbusError
from .queue_codec import Codec
from .queue_frames import LARGEST_FRAMED_ITEM, LARGEST_ITEM, FrameBounds, frames
from .queue_producer import QueueProducer
from .retry import repeat_while_unavailable
from .v1 import queue_pb2 as wire
from .v1.frame_pb2 import Frame
from .wait_options import Deadline, wait_ms

T = TypeVar("T")

OnPut = Callable[[int], object]


class EncodedItems(Generic[T]):
    """Of a source that is read as it goes. When it raises, what it gave before is put first."""

    def __init__(self, items: Iterable[T], codec: Codec[T]) -> None:
        self._items = items
        self._encode = codec.encode
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        encode = self._encode
        try:
            for item in self._items:
                yield encode(item)
        except Exception as error:
            self._error = error

    def check(self) -> None:
        if self._error is not None:
            raise self._error


class QueuePutter:
    """Puts into one queue: on a stream what may wait for ever, or is large; else each frame by a call of its own."""

    def __init__(self, connection: Connection, queue: str, bounds: FrameBounds, blocks: bool, closing: Closing) -> None:
        """`blocks`: a put waits when the queue is full."""
        self._connection = connection
        self._queue = queue
        self._bounds = bounds
        self._blocks = blocks
        self._closing = closing
        self._parked: list[QueueProducer] = []

    def put(self, item: bytes, deadline: Deadline) -> None:
        self._put_run([item], deadline)

    def put_many(self, items: EncodedItems[T], deadline: Deadline, on_put: OnPut | None) -> None:
        if self._blocks and deadline is None:
            self._closing.check()
            producer = self._producer()
            self._produce(producer, items, on_put)
            producer.park()
            # One for the next time: others end by themselves.
            self._parked[:] = [producer]
        else:
            for run in frames(items, self._bounds):
                self._put_run(run, deadline)
                if on_put is not None:
                    on_put(len(run))
        items.check()

    def _producer(self) -> QueueProducer:
        while len(self._parked) > 0:
            try:
                producer = self._parked.pop()
            except IndexError:
                break
            if producer.use():
                return producer
        return QueueProducer(self._connection, self._queue, self._closing)

    def _put_run(self, items: list[bytes], deadline: Deadline) -> None:
        if len(items[0]) > LARGEST_FRAMED_ITEM:
            self._closing.check()
            producer = QueueProducer(self._connection, self._queue, self._closing, deadline)
            self._produce(producer, items, None)
            producer.park()
            return
        # One id for all attempts, so that they store once.
        request_id = str(uuid4())
        frame = Frame(items=items)

        def put() -> None:
            request = wire.PutRequest(
                queue=self._queue, request_id=request_id, frame=frame, wait_ms=wait_ms(deadline)
            )
            wait_in_band(self._connection, request_id, self._connection.queues.Put, request, self._closing)

        try:
            repeat_while_unavailable(self._connection.reconnect, self._closing.sleep, put)
        except ForkbusError as error:
            if error.reason == "WAIT_CANCELLED":
                self._closing.check()
            raise

    def _produce(self, producer: QueueProducer, items: Iterable[bytes], on_put: OnPut | None) -> None:
        """Gives all up exactly when it fails: what is not in the queue then never will be, and `on_put` was told."""
        largest = min(self._bounds.max_bytes or LARGEST_ITEM, LARGEST_ITEM)
        told = producer.stored
        complete = False

        def tell() -> None:
            nonlocal told
            more = producer.stored - told
            if on_put is not None and more > 0:
                told += more
                on_put(more)

        def flush() -> None:
            while not producer.settled:
                producer.wait()
                tell()

        try:
            with self._closing.calling(producer.changed.ring):
                producer.start()
                for item in items:
                    # What can never be held is refused alone: nothing after it may be stored.
                    if len(item) > largest:
                        flush()
                    producer.add(item)
                    if len(item) > largest:
                        flush()
                    if on_put is not None and producer.stored > told:
                        tell()
                    while producer.full:
                        producer.wait()
                        tell()
                complete = True
                flush()
        except BaseException as error:
            producer.give_up()
            tell()
            if complete and producer.settled and isinstance(error, ForkbusError) and self._closing.closed:
                return
            raise
        tell()
