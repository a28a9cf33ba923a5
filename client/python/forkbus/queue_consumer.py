"""Iterating over a queue."""

from __future__ import annotations

import time
from collections.abc import Iterator

from .closing import Closing
from .connection import Connection
from .consume_pace import Pace
from .consume_stream import ConsumeStream
from .error_details import ErrorDetails
from .errors import ForkbusError, NotFoundError, UnavailableError
from .kept_items import KeptItems
from .retry import Outage
from .v1 import queue_pb2 as wire


def consume(connection: Connection, queue: str, pace: Pace, kept: KeptItems, closing: Closing) -> Iterator[None]:
    """Yields whenever there are kept items to hand on, until the queue is shut down and drained.

    The time until the next chunk is asked for is what the pace learns from. When the connection breaks, what was not
    taken is the queue's again, and a new stream is opened.
    """
    outage = Outage(connection.reconnect, closing.sleep)
    while True:
        outage.attempt()
        _check(connection, closing)
        stream = ConsumeStream(connection, queue, pace.window, kept, outage.over)
        try:
            with closing.calling(stream.half_close):
                stream.start()
                while stream.take(pace.chunk):
                    began = time.monotonic()
                    yield
                    pace.worked_off(time.monotonic() - began)
        finally:
            stream.close()
        _check(connection, closing)
        error = failure_of(stream, queue)
        if error is None:
            return
        outage.pause(error)


def failure_of(stream: ConsumeStream, queue: str) -> ForkbusError | None:
    """Why it ended; None when it has given all that there ever will be."""
    if isinstance(stream.end, ForkbusError):
        return stream.end
    if stream.end == wire.GET_END_SHUT_DOWN:
        return None
    if stream.end == wire.GET_END_DELETED:
        details = ErrorDetails(reason="QUEUE_DELETED")
        return NotFoundError(f"The queue {queue} was deleted", code="NOT_FOUND", details=details)
    return UnavailableError(f"The daemon ended the stream of the queue {queue}", code="UNAVAILABLE")


def _check(connection: Connection, closing: Closing) -> None:
    closing.check()
    connection.closing.check()
