"""Giving up a wait without losing what it brings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from .closing import Closing
from .connection import Connection
from .interruptible_wait import wait_for
from .pending_call import PendingCall
from .v1 import queue_pb2 as wire

if TYPE_CHECKING:
    from .connection import Method

Request = TypeVar("Request")
Response = TypeVar("Response")

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.2
_PATIENCE = 5.0


def wait_in_band(
    connection: Connection,
    request_id: str,
    method: Method[Request, Response],
    request: Request,
    closing: Closing,
    on_answer: Callable[[Response], object] | None = None,
) -> Response:
    """Runs a Put or Get that may wait, and gives it up in-band when the handle closes, or at an interrupt.

    The call then still answers, and says whether it was given up or had won, so that no item is lost and none is stored
    unknown to the daemon. On closing the answer is returned either way. An interrupt, such as KeyboardInterrupt, is
    raised when the answer is there, of which `on_answer` has been told. Only a daemon that says nothing for five
    seconds, or a second interrupt, leaves a call in the middle.
    """
    closing.check()
    call = connection.begin(method, request, on_answer)
    wake = threading.Event()
    call.when_settled(wake.set)
    try:
        with closing.calling(wake.set):
            connection.send(call)
            wait_for(wake)
    finally:
        if not call.settled.is_set():
            _give_up(connection, request_id, call)
    if not call.answered:
        closing.check()
    return connection.answer(call)


def settle(call: PendingCall[Request, Response]) -> None:
    """Waits for a call that answers soon, also through an interrupt, which is raised after that."""
    try:
        wait_for(call.settled)
    finally:
        if not call.settled.is_set() and not call.settled.wait(_PATIENCE):
            call.cancel()


def _give_up(connection: Connection, request_id: str, call: PendingCall[Request, Response]) -> None:
    """Asks until the wait has settled, or has had the time that it may take."""
    end = time.monotonic() + _PATIENCE
    pause = _FIRST_PAUSE
    try:
        if call.withdraw():
            return
        while time.monotonic() < end and not connection.closing.closed:
            # Not found may mean that it has not arrived yet: then the next one finds it.
            cancel = connection.begin(connection.queues.CancelWait, wire.CancelWaitRequest(request_id=request_id))
            connection.send(cancel)
            if call.settled.wait(pause):
                return
            pause = min(pause * 2, _LONGEST_PAUSE)
    finally:
        if not call.settled.is_set():
            call.cancel()
