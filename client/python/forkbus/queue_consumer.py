"""Iterating over a queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from .cancellable_wait import settle
from .closing import Closing
from .connection import Connection
from .error_details import ErrorDetails
from .errors import ForkbusError, NotFoundError, UnavailableError
from .kept_items import KeptItems
from .retry import Outage, is_unavailable, repeat_while_unavailable
from .v1 import queue_pb2 as wire

# Most items that are taken before they are handed on, which is what the death of this program can lose.
_LARGEST_CHUNK = 32
_QUICK = 0.01


@dataclass(frozen=True)
class ConsumerOptions:
    queue: str
    prefetch: int
    """Most items that lie here without having been taken. They come back to the queue when this consumer goes away."""
    closing: Closing
    kept: KeptItems
    """Gets every item as soon as the daemon has confirmed that it is taken."""


def consume(connection: Connection, options: ConsumerOptions) -> Iterator[None]:
    """Yields whenever there are kept items to hand on, until the queue is shut down and drained.

    Items are taken in chunks, one at first; the chunks double up to 32 while each is worked off within 10 ms, and
    shrink again, so that a slow consumer holds little and a fast one does not wait for each.

    When the connection breaks, what was not taken is the queue's again, and a new subscription is made.
    """
    request = wire.SubscribeRequest(
        queue=options.queue,
        report_taken=True,
        max_untaken_items=options.prefetch,
        max_frame_items=options.prefetch,
    )
    outage = Outage(connection.reconnect, options.closing.sleep)
    chunk_items = 1
    while True:
        outage.attempt()
        try:
            subscription_id = ""
            taken_total = 0
            for response in connection.stream(connection.queues.Subscribe, request, options.closing):
                outage.over()
                subscription_id = response.subscription_id or subscription_id
                if _is_over(response.end, options.queue):
                    return
                items = response.frame.items
                index = 0
                while index < len(items):
                    chunk = items[index : index + chunk_items]
                    index += len(chunk)
                    taken_total += len(chunk)
                    _take(connection, options, subscription_id, taken_total, chunk)
                    began = time.monotonic()
                    yield
                    quick = time.monotonic() - began < _QUICK
                    chunk_items = min(chunk_items * 2, _LARGEST_CHUNK) if quick else -(-chunk_items // 2)
            raise _ended_early(options.queue)
        except ForkbusError as error:
            outage.pause(error, _may_subscribe_again)


def _take(
    connection: Connection, options: ConsumerOptions, subscription_id: str, taken_total: int, chunk: list[bytes]
) -> None:
    """Not given up half way: when the request has been sent the items may be ours, and then must not be forgotten."""
    request = wire.TakeRequest(subscription_id=subscription_id, taken_total=taken_total)

    def take() -> None:
        call = connection.begin(connection.queues.Take, request, lambda _: options.kept.add(chunk))
        connection.send(call)
        settle(call)
        connection.answer(call)

    repeat_while_unavailable(connection.reconnect, connection.closing.sleep, take)


def _is_over(end: wire.GetEnd.ValueType, queue: str) -> bool:
    """True when the stream has ended for good; raises when it has to be opened again."""
    if end in (wire.GET_END_SHUT_DOWN, wire.GET_END_LIMIT):
        return True
    if end == wire.GET_END_DELETED:
        raise NotFoundError(
            f"The queue {queue} was deleted", code="NOT_FOUND", details=ErrorDetails(reason="QUEUE_DELETED")
        )
    if end == wire.GET_END_GOAWAY:
        raise _ended_early(queue)
    return False


def _ended_early(queue: str) -> UnavailableError:
    return UnavailableError(f"The daemon ended the stream of the queue {queue}", code="UNAVAILABLE")


def _may_subscribe_again(error: ForkbusError) -> bool:
    return is_unavailable(error) or error.reason == "SUBSCRIPTION_NOT_FOUND"
