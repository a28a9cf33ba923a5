"""forkbus for Python: processes and queues of a daemon, from any program."""

from importlib.metadata import version as _version

from .address import default_address
from .client import Client
from .connect import connect
from .connection import TlsOptions
from .errors import (
    AlreadyExistsError,
    ForkbusError,
    InvalidArgumentError,
    NotFoundError,
    OutputGapError,
    PermissionDeniedError,
    ProcessEndedError,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
    TimedOutError,
    UnavailableError,
)
from .exit import Cause, Exit, Exited, Lost, LostCause, ResourceUsage, Signaled
from .logs import LogChunk, LogEnd, LogEvent, LogGap, LogPosition, StreamName
from .process import Process, State, Stopped
from .process_options import ProcessOptions, Rlimit
from .queue import Queue
from .queue_codec import Codec, CodecName
from .stdio import InputStream, OutputStream

__version__ = _version("forkbus")

__all__ = [
    "AlreadyExistsError",
    "Cause",
    "Client",
    "Codec",
    "CodecName",
    "Exit",
    "Exited",
    "ForkbusError",
    "InputStream",
    "InvalidArgumentError",
    "LogChunk",
    "LogEnd",
    "LogEvent",
    "LogGap",
    "LogPosition",
    "Lost",
    "LostCause",
    "NotFoundError",
    "OutputGapError",
    "OutputStream",
    "PermissionDeniedError",
    "Process",
    "ProcessEndedError",
    "ProcessOptions",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "ResourceUsage",
    "Rlimit",
    "Signaled",
    "State",
    "Stopped",
    "StreamName",
    "TimedOutError",
    "TlsOptions",
    "UnavailableError",
    "__version__",
    "connect",
    "default_address",
]
