"""What failed calls raise."""

from __future__ import annotations

import queue
import re
import sys
from collections.abc import Iterable, Mapping

import grpc

from .error_details import ErrorDetails, decode_error_details
from .v1.error_pb2 import ErrorReason
from .v1.types_pb2 import Failure


class ForkbusError(Exception):
    """What every failed call raises.

    Branch on the class or on `reason`; `code` is what is left when the daemon is newer than this client and gives a
    reason that it does not know.
    """

    code: str
    """Name of a gRPC status code, such as `NOT_FOUND`."""
    reason: str
    """Name of an ErrorReason such as `PROCESS_NOT_FOUND`; empty when the daemon gave none."""
    metadata: Mapping[str, str]
    """Facts that belong to the reason, such as `field` and `value`."""
    retry_after: float | None
    """When the daemon thinks that the call may succeed, in seconds; None when it does not say."""

    def __init__(self, message: str, *, code: str, details: ErrorDetails | None = None) -> None:
        super().__init__(message)
        details = details or ErrorDetails()
        self.code = code
        self.reason = details.reason
        self.metadata = details.metadata
        self.retry_after = details.retry_after


class NotFoundError(ForkbusError):
    """No resource of that name, or not any more."""


class AlreadyExistsError(ForkbusError):
    """The name is taken."""


class InvalidArgumentError(ForkbusError):
    """The request cannot be right: `metadata["field"]` says where, when there is one."""


class PermissionDeniedError(ForkbusError):
    """The daemon may not do this for this caller."""


class UnavailableError(ForkbusError):
    """Nobody answers, or the daemon takes no work now. Whether the call took effect is not known."""


class TimedOutError(ForkbusError, TimeoutError):
    """Something took too long. A wait with a time of its own that can answer, as `join`, does so instead."""


class OutputGapError(ForkbusError):
    """Output that was asked for is gone. `Process.logs` reports the same as an event, and goes on."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="DATA_LOSS")


class ProcessEndedError(ForkbusError):
    """The process has ended already."""


class QueueFull(ForkbusError, queue.Full):
    """No room came within the wait, and nothing was put."""


class QueueEmpty(ForkbusError, queue.Empty):
    """No item came within the wait."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The queue {name} has no item", code="DEADLINE_EXCEEDED")


if sys.version_info >= (3, 13):

    class QueueShutDown(ForkbusError, queue.ShutDown):
        """The queue takes no more items, or has no more to give."""

else:

    class QueueShutDown(ForkbusError):
        """The queue takes no more items, or has no more to give. From Python 3.13 on also a `queue.ShutDown`."""


_BY_REASON: Mapping[str, type[ForkbusError]] = {
    "QUEUE_FULL": QueueFull,
    "QUEUE_SHUT_DOWN": QueueShutDown,
    "PROCESS_ENDED": ProcessEndedError,
}

_BY_CODE: Mapping[str, type[ForkbusError]] = {
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "INVALID_ARGUMENT": InvalidArgumentError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": TimedOutError,
}

_CODE_NAMES: Mapping[int, str] = {status.value[0]: status.name for status in grpc.StatusCode}

_CONNECT_FAILED = re.compile(r"failed to connect to all addresses; last error: [A-Z_]+: (.*)", re.DOTALL)

Trailer = Iterable[tuple[str, "str | bytes"]]


def error_of_status(status: grpc.StatusCode, message: str, trailer: Trailer) -> ForkbusError:
    """The typed error of a failed call."""
    details = ErrorDetails()
    for key, value in trailer:
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            details = decode_error_details(value)
    code = "UNAVAILABLE" if details.reason == "" and _is_broken(status, message) else status.name
    connect_failed = _CONNECT_FAILED.fullmatch(message)
    return _typed_error(code, connect_failed[1] if connect_failed else message, details)


def error_of_failure(failure: Failure) -> ForkbusError:
    """The typed error of what failed inside a stream that stays open."""
    reason = ""
    if failure.reason in ErrorReason.values():
        reason = ErrorReason.Name(failure.reason).removeprefix("ERROR_REASON_")
    details = ErrorDetails(reason="" if reason == "UNSPECIFIED" else reason, metadata=dict(failure.metadata))
    return _typed_error(_CODE_NAMES.get(failure.code, "UNKNOWN"), failure.message, details)


def _typed_error(code: str, message: str, details: ErrorDetails) -> ForkbusError:
    kind = _BY_REASON.get(details.reason) or _BY_CODE.get(code) or ForkbusError
    return kind(message or code, code=code, details=details)


def _is_broken(status: grpc.StatusCode, message: str) -> bool:
    """A stream that the other end reset, as a daemon does that must stop at once.

    gRPC gives these codes of their own, but what they mean is that the connection broke; the daemon itself gives
    reasons.
    """
    return status is grpc.StatusCode.CANCELLED or (
        status is grpc.StatusCode.INTERNAL and message.startswith("Received RST_STREAM")
    )
