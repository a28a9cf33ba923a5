"""What a function gave back."""

from __future__ import annotations

from typing import Any

from .errors import ForkbusError
from .exit import parse_exit
from .payload import decode_value
from .v1 import process_pb2 as wire
from .v1.types_pb2 import WorkerException
from .worker_error import RemoteTraceback, WorkerError, WorkerExitError


def has_all(process: wire.Process) -> bool:
    """It has ended, and its record has all that there will be."""
    if process.spec.WhichOneof("target") == "exec":
        return True
    result = process.status.result
    if not process.status.HasField("exit"):
        return False
    match result.WhichOneof("outcome"):
        case "value":
            return len(result.value.data) == result.size_bytes
        case "exception":
            return len(result.exception.payload.data) == result.size_bytes and result.exception.traceback != ""
        case None:
            return False


def value_of(process: wire.Process, unpickle: bool) -> Any:
    """Of a process that has ended: what its function returned. Raises what it raised."""
    if process.spec.WhichOneof("target") == "exec":
        raise TypeError(f"{process.name} runs a program, which has no result: join() and exit say how it ended")
    match process.status.result.WhichOneof("outcome"):
        case "value":
            return decode_value(process.status.result.value, unpickle)
        case "exception":
            exception = process.status.result.exception
            raise _raised(process.name, exception, unpickle) from RemoteTraceback(process.name, exception.traceback)
        case None:
            raise WorkerExitError(process.name, parse_exit(process.status.exit))


def _raised(process: str, exception: WorkerException, unpickle: bool) -> BaseException:
    if exception.payload.encoding == "pickle" and len(exception.payload.data) > 0 and unpickle:
        try:
            value = decode_value(exception.payload, unpickle)
        except ForkbusError:
            # Its class cannot be loaded here. What it said is there all the same.
            value = None
        if isinstance(value, BaseException):
            return value
    return WorkerError(process, exception)
