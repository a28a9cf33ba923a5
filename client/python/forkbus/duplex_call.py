"""Calls in which both sides send."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc

from .errors import ForkbusError, error_of_status

if TYPE_CHECKING:
    DuplexMethod = grpc.StreamStreamMultiCallable

Request = TypeVar("Request")
Response = TypeVar("Response")


class DuplexCall(Generic[Request, Response]):
    """One call on its way.

    Requests are pulled in a thread of gRPC, each when the connection has taken the one before, and responses are
    handed on in the thread that runs the call. Neither is the main thread, in which signals are handled, so none can
    fall between what the daemon says and `on_response`. Whoever gives the requests ends when the call has.
    """

    def __init__(
        self,
        method: DuplexMethod[Request, Response],
        requests: Iterator[Request],
        on_response: Callable[[Response], object],
    ) -> None:
        self._method = method
        self._requests = requests
        self._on_response = on_response
        self._lock = threading.Lock()
        self._cancelled = False
        self._responses: Any = None

    def start(self, on_end: Callable[[ForkbusError | None], object]) -> None:
        """Runs it in a thread of its own."""
        threading.Thread(target=lambda: on_end(self.run()), name="forkbus-stream", daemon=True).start()

    def run(self) -> ForkbusError | None:
        """Until it has ended; returns why it failed, if it did."""
        with self._lock:
            if self._cancelled:
                return error_of_status(grpc.StatusCode.CANCELLED, "The call was given up before it was sent", ())
            try:
                self._responses = self._method(self._requests)
            except ValueError as error:
                # gRPC's word for a channel that was closed meanwhile.
                return error_of_status(grpc.StatusCode.CANCELLED, str(error), ())
        responses = self._responses
        try:
            for response in responses:
                self._on_response(response)
        except grpc.RpcError:
            trailer = responses.trailing_metadata() or ()
            return error_of_status(responses.code(), responses.details() or "", trailer)
        except Exception as error:
            failure = ForkbusError(f"What the daemon sent could not be kept: {error!r}", code="INTERNAL")
            failure.__cause__ = error
            return failure
        finally:
            responses.cancel()
        return None

    def cancel(self) -> None:
        """Ends it whatever it is doing. Any number of times."""
        with self._lock:
            self._cancelled = True
            responses = self._responses
        if responses is not None:
            responses.cancel()
