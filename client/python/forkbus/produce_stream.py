"""One stream of items into a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .connection import Connection
from .duplex_call import DuplexCall
from .errors import ForkbusError
from .queue_frames import LARGEST_FRAMED_ITEM, parts
from .unaccepted_items import Run, UnacceptedItems
from .v1 import queue_pb2 as wire
from .v1.frame_pb2 import Frame


class ProduceStream:
    """Sends what there is to send, within the window that the daemon gives."""

    def __init__(
        self,
        connection: Connection,
        opening: wire.ProduceOpen,
        items: UnacceptedItems,
        on_response: Callable[[wire.ProduceResponse], object],
        pause: Callable[[], bool],
    ) -> None:
        """`pause` waits until there may be something to send, and is False when the stream is to end."""
        self._opening = opening
        self._items = items
        self._on_response = on_response
        self._pause = pause
        self._open = False
        self._ended = False
        self._next_seq = 0
        self._window_seq = 0
        self._window_bytes = 0
        self._sent_bytes = 0
        self._call = DuplexCall(connection.queues.Produce, self._requests(), self._receive)

    def run(self) -> ForkbusError | None:
        """Until it has ended; returns why it failed, if it did."""
        try:
            return self._call.run()
        finally:
            self._ended = True
            self._items.work.ring()

    def cancel(self) -> None:
        self._call.cancel()

    def _requests(self) -> Iterator[wire.ProduceRequest]:
        yield wire.ProduceRequest(open=self._opening)
        while not self._ended and self._pause():
            while self._may_send() and (run := self._items.run_from(self._next_seq, self._window_seq)) is not None:
                self._next_seq += len(run.items)
                yield from self._frames(run)

    def _may_send(self) -> bool:
        return self._open and not self._ended and self._sent_bytes < self._window_bytes

    def _frames(self, run: Run) -> Iterator[wire.ProduceRequest]:
        if len(run.items) > 1 or len(run.items[0]) <= LARGEST_FRAMED_ITEM:
            self._sent_bytes += sum(map(len, run.items))
            yield wire.ProduceRequest(frame=Frame(first_seq=run.first, items=run.items))
            return
        for part in parts(run.first, run.items[0]):
            while not self._may_send():
                if self._ended or not self._pause():
                    return
            self._sent_bytes += len(part.items[0])
            yield wire.ProduceRequest(frame=part)

    def _receive(self, response: wire.ProduceResponse) -> None:
        self._on_response(response)
        self._window_seq = response.window_seq
        self._window_bytes = response.window_bytes
        if response.resume_seq > 0:
            self._next_seq = response.resume_seq
            self._open = True
        if response.goaway:
            # Nothing more is to be sent here; the call ends, and the next one goes on.
            self._ended = True
        self._items.work.ring()
