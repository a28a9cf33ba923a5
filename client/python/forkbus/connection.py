"""One channel, and the services on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import grpc

from .address import Address, UnixAddress
from .closing import Closing
from .errors import ForkbusError, error_of_status
from .interruptible_wait import wait_for
from .pending_call import PendingCall, Sender
from .retry import is_unavailable, repeat_while_unavailable
from .v1 import admin_pb2_grpc, process_pb2_grpc, queue_pb2_grpc, template_pb2_grpc

if TYPE_CHECKING:
    Method = grpc.UnaryUnaryMultiCallable
    StreamMethod = grpc.UnaryStreamMultiCallable

Request = TypeVar("Request")
Response = TypeVar("Response")

_KEEPALIVE_MS = 20_000
_SLOWEST_CONNECT_MS = 5_000


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """What TCP needs."""

    ca: bytes | None = None
    """PEM of the authorities to trust; the system's when there are none."""
    cert: bytes | None = None
    """PEM of this client's certificate and key, where the daemon asks for one."""
    key: bytes | None = None
    insecure: bool = False
    """Plain text, for loopback and tests only."""


class Connection:
    """Connects when it is first used. All methods may be called in any thread."""

    def __init__(self, address: Address, tls: TlsOptions, reconnect: float) -> None:
        self.address = str(address)
        self.local = isinstance(address, UnixAddress)
        """Whether the daemon sees the files that this program sees."""
        self.reconnect = reconnect
        self.closing = Closing("The client is closed")
        options = _channel_options(reconnect)
        if isinstance(address, UnixAddress) or tls.insecure:
            self._channel = grpc.insecure_channel(address.target, options)
        else:
            credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.cert)
            self._channel = grpc.secure_channel(address.target, credentials, options)
        self._sender = Sender()
        self.admin = admin_pb2_grpc.AdminServiceStub(self._channel)
        self.processes = process_pb2_grpc.ProcessServiceStub(self._channel)
        self.queues = queue_pb2_grpc.QueueServiceStub(self._channel)
        self.templates = template_pb2_grpc.TemplateServiceStub(self._channel)

    def close(self) -> None:
        """Ends the calls that are under way. Any number of times."""
        if self.closing.closed:
            return
        self.closing.close()
        self._sender.close()
        self._channel.close()

    def begin(
        self,
        method: Method[Request, Response],
        request: Request,
        on_answer: Callable[[Response], object] | None = None,
    ) -> PendingCall[Request, Response]:
        """A call that is to be given to `send`: so it has an owner before it has an effect."""
        self.closing.check()
        return PendingCall(method, request, on_answer)

    def send(self, call: PendingCall[Request, Response]) -> None:
        self._sender.send(call)

    def answer(self, call: PendingCall[Request, Response]) -> Response:
        """Of a call that has settled."""
        try:
            return call.answer()
        except ForkbusError:
            self.closing.check()
            raise

    def call(self, method: Method[Request, Response], request: Request) -> Response:
        """Calls once, and raises the errors of errors.py. An interrupt cancels it."""
        call = self.begin(method, request)
        try:
            self.send(call)
            wait_for(call.settled)
        finally:
            if not call.settled.is_set():
                call.cancel()
        return self.answer(call)

    def repeat(
        self,
        method: Method[Request, Response],
        request: Callable[[], Request],
        may_repeat: Callable[[ForkbusError], bool] = is_unavailable,
    ) -> Response:
        """Calls until the daemon answers; see `repeat_while_unavailable`."""
        return repeat_while_unavailable(
            self.reconnect, self.closing.sleep, lambda: self.call(method, request()), may_repeat
        )

    def stream(
        self, method: StreamMethod[Request, Response], request: Request, closing: Closing | None = None
    ) -> Iterator[Response]:
        """Yields what the daemon sends. Ending the iteration, or closing, ends the call."""
        closings = [self.closing] if closing is None else [closing, self.closing]
        for each in closings:
            each.check()
        responses = method(request)
        try:
            with closings[0].calling(responses.cancel):
                yield from responses
        except grpc.RpcError:
            for each in closings:
                each.check()
            raise error_of_status(
                responses.code(), responses.details() or "", responses.trailing_metadata() or ()
            ) from None
        finally:
            responses.cancel()


def _channel_options(reconnect: float) -> list[tuple[str, int]]:
    return [
        # Waits may be silent for hours; without pings nobody would notice that the other end is gone.
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS // 2),
        # A daemon that is restarted is back within a second; gRPC's own pauses grow to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 500),
        # For one attempt to connect.
        ("grpc.min_reconnect_backoff_ms", min(_SLOWEST_CONNECT_MS, max(int(reconnect * 500), 500))),
        # A connection of our own, which `close` really closes.
        ("grpc.use_local_subchannel_pool", 1),
        # gRPC's transparent retries are invisible and have rules of their own: ours are in retry.py.
        ("grpc.enable_retries", 0),
    ]
