"""Putting items on a stream that is opened again when it breaks."""

from __future__ import annotations

import threading
import time
from uuid import uuid4

from .closing import Closing
from .connection import Connection
from .duplex_call import DuplexCall
from .errors import ForkbusError, UnavailableError, error_of_failure
from .produce_stream import ProduceStream
from .retry import Outage, is_unavailable
from .unaccepted_items import UnacceptedItems
from .v1 import queue_pb2 as wire
from .wait_options import Deadline, wait_ms
from .wakeup import Wakeup

# A stream that nobody uses for so long is closed.
_IDLE = 0.1
_PATIENCE = 5.0
_ASK_PAUSE = 0.05


class QueueProducer:
    """Puts items in order, each stored once, for one thread at a time.

    A thread of its own sends them, and sends again what is not accepted when the connection breaks. The first item that
    is refused, or an outage that lasts too long, ends it.
    """

    def __init__(self, connection: Connection, queue: str, closing: Closing, deadline: Deadline = None) -> None:
        """An item that finds no room by the deadline is refused."""
        self.changed = Wakeup()
        """Rung when there may be progress."""
        self._connection = connection
        self._queue = queue
        self._closing = closing
        self._deadline = deadline
        self._producer_id = str(uuid4())
        self._items = UnacceptedItems()
        self._lock = threading.Lock()
        self._stream: ProduceStream | None = None
        self._pausing = Wakeup()
        self._parked_at: float | None = None
        self._started = False
        self._closed = False
        self._ended = threading.Event()
        self._failure: ForkbusError | None = None
        self._refused = False

    def start(self) -> None:
        """Once, however often it is called."""
        if self._started:
            return
        self._started = True
        threading.Thread(target=self._run, name="forkbus-producer", daemon=True).start()

    @property
    def stored(self) -> int:
        """Items that are in the queue."""
        return self._items.stored

    @property
    def settled(self) -> bool:
        """Whether it is known what became of all items, and none was refused."""
        return self._items.settled and self._failure is None

    @property
    def full(self) -> bool:
        """Whether so much is under way that it is better to wait."""
        return self._items.full

    def add(self, item: bytes) -> None:
        if self._failure is not None:
            self._raise()
        self._items.add(item)

    def wait(self) -> None:
        """Until there may be progress. Raises when there will be none."""
        self._raise()
        self.changed.wait()

    def park(self) -> None:
        """Nobody uses it now; it ends soon, unless somebody does."""
        with self._lock:
            self._parked_at = time.monotonic()
        self._items.work.ring()

    def use(self) -> bool:
        """Whether it may be used again, by one that is not using it."""
        with self._lock:
            self._parked_at = None
            return not self._closed and self._failure is None

    def give_up(self) -> None:
        """Ends it: what is not stored never will be, and `stored` is exact after this.

        Only a daemon that says nothing for five seconds, or an interrupt, leaves that open.
        """
        with self._lock:
            self._closed = True
            stream = self._stream
        self._pausing.ring()
        if stream is None:
            # Nothing has been sent, and nothing will be.
            return
        stream.cancel()
        if self._failure is None or self._refused:
            self._ended.wait(_PATIENCE)
            self._ask()

    def _ask(self) -> None:
        """A new stream ends the one before for good, and is told how far that came."""
        end = time.monotonic() + _PATIENCE
        while (left := end - time.monotonic()) > 0 and not self._connection.closing.closed:
            error = self._ask_once(left)
            if error is None or not is_unavailable(error):
                return
            time.sleep(_ASK_PAUSE)

    def _ask_once(self, seconds: float) -> ForkbusError | None:
        ended = threading.Event()
        errors: list[ForkbusError | None] = []

        def finish(error: ForkbusError | None) -> None:
            errors.append(error)
            ended.set()

        opening = wire.ProduceRequest(open=self._opening())
        call = DuplexCall(self._connection.queues.Produce, iter([opening]), self._settle)
        try:
            call.start(finish)
            ended.wait(seconds)
        finally:
            call.cancel()
        return errors[0] if len(errors) > 0 else None

    def _opening(self) -> wire.ProduceOpen:
        return wire.ProduceOpen(
            queue=self._queue,
            producer_id=self._producer_id,
            known_seq=self._items.accepted_seq,
            wait_ms=wait_ms(self._deadline),
        )

    def _run(self) -> None:
        try:
            self._stream_on()
        except ForkbusError as error:
            self._fail(error)
        finally:
            self._ended.set()
            self.changed.ring()

    def _stream_on(self) -> None:
        outage = Outage(self._connection.reconnect, self._sleep)

        def respond(response: wire.ProduceResponse) -> None:
            if response.resume_seq > 0:
                outage.over()
                if response.resume_seq <= self._items.accepted_seq:
                    self._fail(self._unavailable("The daemon has forgotten this producer of"))
            self._settle(response)

        while True:
            outage.attempt()
            with self._lock:
                if self._closed:
                    return
                self._stream = ProduceStream(
                    self._connection, self._opening(), self._items, respond, self._wait_for_work
                )
            error = self._stream.run()
            if not self._is_needed(0):
                return
            outage.pause(error or self._unavailable("The daemon ended the stream into"))

    def _settle(self, response: wire.ProduceResponse) -> None:
        for reject in response.rejects:
            self._refused = True
            self._fail(error_of_failure(reject.failure))
        rejected = sum(reject.seqs.last - reject.seqs.first + 1 for reject in response.rejects)
        self._items.accept(response.accepted_seq, rejected)
        self.changed.ring()

    def _wait_for_work(self) -> bool:
        """False when nothing is to be sent any more."""
        self._items.work.wait(None if self._parked_at is None else _IDLE)
        return self._is_needed(_IDLE)

    def _is_needed(self, idle: float) -> bool:
        with self._lock:
            if self._parked_at is not None and time.monotonic() - self._parked_at >= idle:
                self._closed = True
            return not self._closed and self._failure is None

    def _sleep(self, seconds: float) -> None:
        self._connection.closing.check()
        self._pausing.wait(seconds)

    def _raise(self) -> None:
        self._closing.check()
        self._connection.closing.check()
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: ForkbusError) -> None:
        if self._failure is None:
            self._failure = error
        self.changed.ring()

    def _unavailable(self, what: str) -> UnavailableError:
        return UnavailableError(f"{what} the queue {self._queue}", code="UNAVAILABLE")
