"""One stream of items out of a queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from .connection import Connection
from .duplex_call import DuplexCall
from .errors import ForkbusError
from .kept_items import KeptItems
from .v1 import queue_pb2 as wire
from .v1.frame_pb2 import Frame
from .v1.types_pb2 import Credit
from .wait_options import Deadline
from .wakeup import Wakeup

_WINDOW_BYTES = 4 << 20
_MOST_FRAME_ITEMS = 65_536
_PATIENCE = 5.0


class ConsumeStream:
    """Items that have arrived lie here untaken, and the queue counts them as its own: when the stream ends, for
    whatever reason, they are ready there again.

    Taking is done by the threads of gRPC, which put items into `kept` as soon as the daemon has confirmed that they are
    delivered: no signal can lose them.
    """

    def __init__(
        self,
        connection: Connection,
        queue: str,
        window: int,
        kept: KeptItems,
        on_answer: Callable[[], object] | None = None,
        window_bytes: int = _WINDOW_BYTES,
    ) -> None:
        """`on_answer` is called when the daemon says something."""
        self.end: wire.GetEnd.ValueType | ForkbusError | None = None
        """How it ended; None while it goes on."""
        self.begun = False
        """Whether something of an item has arrived."""
        self.gave_up = False
        """Whether nothing came in time."""
        self._queue = queue
        self._window = window
        self._window_bytes = window_bytes
        self._kept = kept
        self._on_answer = on_answer
        self._lock = threading.Lock()
        self._work = Wakeup()
        self._changed = Wakeup()
        self._arrived: deque[list[bytes]] = deque()
        self._parts: list[bytes] = []
        self._part_bytes = 0
        self._reported: deque[tuple[int, list[bytes]]] = deque()
        self._taken = 0
        self._taken_bytes = 0
        self._confirmations = 0
        self._wanted = 0
        self._closing = False
        self._call = DuplexCall(connection.queues.Consume, self._requests(), self._receive)

    def start(self) -> None:
        self._call.start(self._finish)

    def take(self, most: int, deadline: Deadline = None) -> bool:
        """Takes the next items, at most so many, and waits until they are in `kept`.

        False when nothing came in time, or ever will: the stream has ended or was closed. Once something of an item has
        arrived there is time for the rest of it.
        """
        before = self._confirmations
        self._wanted = most
        self._work.ring()
        while self._confirmations == before and self.end is None:
            left = None if deadline is None or self.begun else deadline - time.monotonic()
            if left is not None and left <= 0:
                self.close()
                self.gave_up = self._confirmations == before and not self.in_doubt
                break
            self._changed.wait(left)
        return self._confirmations > before

    @property
    def in_doubt(self) -> bool:
        """Whether items were reported as taken, and it is not known whether they were."""
        return len(self._reported) > 0

    def half_close(self) -> None:
        """Takes nothing more; what was reported is still confirmed."""
        with self._lock:
            self._closing = True
        self._work.ring()

    def close(self) -> None:
        """Ends it, when it is known whether the items that were reported are ours. Any number of times."""
        try:
            self.half_close()
            end = time.monotonic() + _PATIENCE
            while self.in_doubt and self.end is None and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
        finally:
            self._call.cancel()

    def _requests(self) -> Iterator[wire.ConsumeRequest]:
        frame_items = min(self._window, _MOST_FRAME_ITEMS)
        yield wire.ConsumeRequest(
            open=wire.ConsumeOpen(queue=self._queue, max_frame_items=frame_items), credit=self._credit()
        )
        while True:
            self._work.wait()
            with self._lock:
                if self._closing or self.end is not None:
                    return
                if self._wanted == 0 or len(self._arrived) == 0:
                    continue
                chunk = self._shift(self._wanted)
                self._wanted = 0
                self._taken += len(chunk)
                self._taken_bytes += sum(map(len, chunk))
                self._reported.append((self._taken, chunk))
            yield wire.ConsumeRequest(taken_total=self._taken, credit=self._credit())

    def _credit(self) -> Credit:
        return Credit(items_total=self._taken + self._window, bytes_total=self._taken_bytes + self._window_bytes)

    def _shift(self, most: int) -> list[bytes]:
        """The first items that have arrived, of as many frames as it takes."""
        chunk = self._arrived.popleft()
        while len(chunk) < most and len(self._arrived) > 0:
            chunk += self._arrived.popleft()
        if len(chunk) > most:
            self._arrived.appendleft(chunk[most:])
            del chunk[most:]
        return chunk

    def _receive(self, response: wire.ConsumeResponse) -> None:
        if self._on_answer is not None:
            self._on_answer()
        with self._lock:
            while len(self._reported) > 0 and self._reported[0][0] <= response.taken_total:
                self._kept.add(self._reported.popleft()[1])
                self._confirmations += 1
            if response.HasField("frame"):
                self._add(response.frame)
            if response.end != wire.GET_END_UNSPECIFIED:
                self.end = response.end
        self._work.ring()
        self._changed.ring()

    def _add(self, frame: Frame) -> None:
        self.begun = True
        if not frame.HasField("part"):
            self._arrived.append(list(frame.items))
            return
        self._parts += frame.items
        self._part_bytes += sum(map(len, frame.items))
        if self._part_bytes >= frame.part.item_bytes:
            self._arrived.append([b"".join(self._parts)])
            self._parts.clear()
            self._part_bytes = 0

    def _finish(self, error: ForkbusError | None) -> None:
        with self._lock:
            if self.end is None:
                self.end = error or wire.GET_END_UNSPECIFIED
        self._work.ring()
        self._changed.ring()
