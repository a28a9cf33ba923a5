"""What a worker's end raises here."""

from __future__ import annotations

from .errors import ForkbusError
from .exit import Exit, describe_exit
from .v1.types_pb2 import WorkerException


class RemoteTraceback(Exception):
    """The cause of an exception that was raised in a worker: shows where it was raised."""

    def __init__(self, process: str, text: str) -> None:
        super().__init__(process, text)
        self.process = process
        self.text = text

    def __str__(self) -> str:
        return f"\nIn the worker {self.process}:\n{self.text}"


class WorkerError(ForkbusError):
    """The function of a worker raised or threw what could not be brought here as it was."""

    def __init__(self, process: str, exception: WorkerException) -> None:
        kind, message = exception.type, exception.message
        super().__init__(f"{kind}: {message}" if message else kind, code="UNKNOWN")
        self.process = process
        """Name of the process, whose record and output say more."""
        self.type = kind
        """The class of what was raised, such as `ValueError` or `app.NotFound`."""
        self.message = message
        self.traceback = exception.traceback
        """As the worker's language prints it."""


class WorkerExitError(ForkbusError):
    """A worker ended without a result: by a signal, by exiting itself, or nobody knows how."""

    def __init__(self, process: str, exit: Exit) -> None:
        asked = ", as it was stopped" if exit.cause == "stop-requested" else ""
        super().__init__(f"The worker {process} gave no result: it {describe_exit(exit)}{asked}", code="ABORTED")
        self.process = process
        """Name of the process, whose record and output say more."""
        self.exit = exit
