"""Getting items: in calls, and on streams."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Generic, TypeVar
from uuid import uuid4

from .cancellable_wait import wait_in_band
from .closing import Closing
from .connection import Connection
from .consume_pace import BatchPace, ItemPace
from .consume_stream import ConsumeStream
from .errors import ForkbusError, QueueShutDown
from .kept_items import KeptItems
from .queue_codec import Codec
from .queue_consumer import consume, failure_of
from .retry import did_nothing, is_unavailable, repeat_while_unavailable
from .v1 import queue_pb2 as wire
from .wait_options import Deadline, wait_ms

T = TypeVar("T")

_MOST_ITEMS_OF_GET = 65_536
# A large item that is there takes a moment to come, also for who does not want to wait.
_GRACE = 1.0


class QueueGetter(Generic[T]):
    """Gets from one queue. What was taken and not handed on comes first in whatever follows."""

    def __init__(self, connection: Connection, queue: str, codec: Codec[T], closing: Closing) -> None:
        self._connection = connection
        self._queue = queue
        self._decode = codec.decode
        self._closing = closing
        self._kept = KeptItems()

    @property
    def kept(self) -> int:
        """Items that were taken and not handed on."""
        return len(self._kept)

    def get(self, most: int, deadline: Deadline) -> list[T]:
        """Waits for the first item, and takes what else is there. Empty when none came in time."""
        while True:
            items = self._kept.hand_on(most, self._decode)
            # Between here and the caller nothing is called: that is where an interrupt would lose them.
            if items:
                return items
            if not self._fetch(min(most, _MOST_ITEMS_OF_GET), deadline):
                return []
            # The items are kept now. Where another thread is quicker than this one, the wait goes on.

    def items(self, prefetch: int) -> Iterator[T]:
        yield from self._hand_on()
        for _ in consume(self._connection, self._queue, ItemPace(prefetch), self._kept, self._closing):
            yield from self._hand_on()

    def batches(self, max_items: int) -> Iterator[list[T]]:
        while items := self._kept.hand_on(max_items, self._decode):
            yield items
        for _ in consume(self._connection, self._queue, BatchPace(max_items), self._kept, self._closing):
            while items := self._kept.hand_on(max_items, self._decode):
                yield items

    def _hand_on(self) -> Iterator[T]:
        while len(self._kept) > 0:
            yield from self._kept.hand_on(1, self._decode)

    def _fetch(self, most: int, deadline: Deadline) -> bool:
        """Whether items came; they are kept."""
        try:
            response = repeat_while_unavailable(
                self._connection.reconnect,
                self._closing.sleep,
                lambda: self._get_once(most, deadline),
                did_nothing,
            )
        except ForkbusError as error:
            if error.reason != "ITEM_NEEDS_STREAM":
                raise
            return self._get_by_stream(deadline)
        if len(response.frame.items) == 0 and response.end == wire.GET_END_CANCELLED:
            self._closing.check()
        return len(response.frame.items) > 0

    def _get_once(self, most: int, deadline: Deadline) -> wire.GetResponse:
        request_id = str(uuid4())
        request = wire.GetRequest(
            queue=self._queue, request_id=request_id, max_items=most, wait_ms=wait_ms(deadline)
        )
        return wait_in_band(
            self._connection,
            request_id,
            self._connection.queues.Get,
            request,
            self._closing,
            lambda response: self._kept.add(response.frame.items),
        )

    def _get_by_stream(self, deadline: Deadline) -> bool:
        """Gets one item, as one that is too large for a call has to be got. Repeated while nothing was taken."""
        in_doubt = False
        patient = None if deadline is None else max(deadline, time.monotonic() + _GRACE)

        def get() -> bool:
            nonlocal in_doubt
            self._closing.check()
            self._connection.closing.check()
            stream = ConsumeStream(self._connection, self._queue, 1, self._kept, window_bytes=1)
            try:
                with self._closing.calling(stream.half_close):
                    stream.start()
                    if stream.take(1, patient):
                        return True
            finally:
                stream.close()
            self._closing.check()
            if stream.gave_up:
                return False
            in_doubt = stream.in_doubt
            error = failure_of(stream, self._queue)
            if error is None:
                raise QueueShutDown(f"The queue {self._queue} is shut down", code="FAILED_PRECONDITION")
            raise error

        return repeat_while_unavailable(
            self._connection.reconnect,
            self._closing.sleep,
            get,
            lambda error: is_unavailable(error) and not in_doubt,
        )
