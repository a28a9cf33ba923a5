"""Everything that the package gives, under one name: `forkbus` takes it from here when it is first asked for."""

from importlib.metadata import version as _version

from .address import default_address
from .client import Client
from .connecting import connect
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
from .function_target import FunctionOptions
from .logs import LogChunk, LogEnd, LogEvent, LogGap, LogPosition, StreamName
from .payload import Encoding
from .process import Process, State, Stopped
from .process_options import ProcessOptions
from .queue import Queue
from .queue_codec import Codec, CodecName
from .resource_limits import Limits, Rlimit
from .start_facts import StartMethod, StartTimings
from .stdio import InputStream, OutputStream
from .template import LoadedModule, Runtime, Template, TemplateFailure, TemplateState, ZygoteReport
from .template_options import TemplateOptions
from .templates import Templates
from .worker_error import RemoteTraceback, WorkerError, WorkerExitError

__version__ = _version("forkbus")

__all__ = [
    "AlreadyExistsError",
    "Cause",
    "Client",
    "Codec",
    "CodecName",
    "Encoding",
    "Exit",
    "Exited",
    "ForkbusError",
    "FunctionOptions",
    "InputStream",
    "InvalidArgumentError",
    "Limits",
    "LoadedModule",
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
    "RemoteTraceback",
    "ResourceUsage",
    "Rlimit",
    "Runtime",
    "Signaled",
    "StartMethod",
    "StartTimings",
    "State",
    "Stopped",
    "StreamName",
    "Template",
    "TemplateFailure",
    "TemplateOptions",
    "TemplateState",
    "Templates",
    "TimedOutError",
    "TlsOptions",
    "UnavailableError",
    "WorkerError",
    "WorkerExitError",
    "ZygoteReport",
    "__version__",
    "connect",
    "default_address",
]
