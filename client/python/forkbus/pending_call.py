"""Calls whose effect no signal can hide."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc

from .errors import ForkbusError, error_of_status

if TYPE_CHECKING:
    Method = grpc.UnaryUnaryMultiCallable

Request = TypeVar("Request")
Response = TypeVar("Response")


class PendingCall(Generic[Request, Response]):
    """One call on its way.

    It is sent by a thread of its own and answered in a thread of gRPC. Signals, such as Ctrl-C, are handled in the main
    thread: none can fall between what the call does and `on_answer`, which keeps what it brought.
    """

    def __init__(
        self,
        method: Method[Request, Response],
        request: Request,
        on_answer: Callable[[Response], object] | None = None,
    ) -> None:
        self.settled = threading.Event()
        self._method = method
        self._request = request
        self._on_answer = on_answer
        self._lock = threading.Lock()
        self._future: Any = None
        self._then: Callable[[], object] = _nothing
        self._response: Response | None = None
        self._error: ForkbusError | None = None

    def send(self) -> None:
        """By the thread that sends."""
        with self._lock:
            if self.settled.is_set():
                return
            try:
                self._future = self._method.future(self._request)
            except ValueError as error:
                # gRPC's word for a channel that was closed meanwhile.
                self._fail(grpc.StatusCode.CANCELLED, str(error))
                return
        self._future.add_done_callback(self._settle)

    def when_settled(self, then: Callable[[], object]) -> None:
        """Before it is sent."""
        self._then = then

    @property
    def answered(self) -> bool:
        """The daemon said what it did: it was done, or refused for a reason."""
        return self._response is not None or (self._error is not None and self._error.reason != "")

    def withdraw(self) -> bool:
        """Ends it if it has not been sent, so that it does nothing; says whether it has ended."""
        with self._lock:
            if self._future is None and not self.settled.is_set():
                self._fail(grpc.StatusCode.CANCELLED, "The call was given up before it was sent")
            return self.settled.is_set()

    def cancel(self) -> None:
        """Ends it whatever it is doing. What it did then is not known, unless it had been answered."""
        if not self.withdraw():
            self._future.cancel()

    def answer(self) -> Response:
        """Of a call that has settled; raises its error."""
        if self._error is not None:
            raise self._error
        if self._response is None:
            raise RuntimeError("The call has not been answered")
        return self._response

    def _settle(self, future: Any) -> None:
        try:
            code = future.code()
            if code is grpc.StatusCode.OK:
                response = future.result()
                if self._on_answer is not None:
                    self._on_answer(response)
                self._response = response
            else:
                self._error = error_of_status(code, future.details() or "", future.trailing_metadata() or ())
        finally:
            self._end()

    def _fail(self, code: grpc.StatusCode, message: str) -> None:
        self._error = error_of_status(code, message, ())
        self._end()

    def _end(self) -> None:
        self.settled.set()
        self._then()


def _nothing() -> None:
    return


class Sender:
    """The thread that sends. It never waits for an answer."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[PendingCall[Any, Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="forkbus-sender", daemon=True)
        self._thread.start()

    def send(self, call: PendingCall[Any, Any]) -> None:
        with self._lock:
            if not self._closed:
                self._calls.put(call)
                return
        call.withdraw()

    def close(self) -> None:
        """After what has been given to it."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call.send()
