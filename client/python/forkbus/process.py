"""A handle of one process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal
from uuid import uuid4

from .connection import Connection
from .errors import ForkbusError, ProcessEndedError, TimedOutError
from .exit import Exit, exit_code_of, parse_exit
from .logs import LogEvent, LogOptions, LogPosition, StreamName, read_logs
from .process_options import ProcessOptions, process_message, stop_policy
from .process_result import has_all, value_of
from .start_facts import StartMethod, StartTimings, parse_method, parse_timings
from .stdio import InputStream, OutputStream
from .v1 import process_pb2 as wire
from .wait_options import deadline_after, wait_ms

State = Literal["starting", "running", "stopping", "exited", "lost", "unknown"]
Stopped = Literal["graceful", "killed", "already-ended", "pending"]

_STATES: Mapping[int, State] = {
    wire.PROCESS_STATE_STARTING: "starting",
    wire.PROCESS_STATE_RUNNING: "running",
    wire.PROCESS_STATE_STOPPING: "stopping",
    wire.PROCESS_STATE_EXITED: "exited",
    wire.PROCESS_STATE_LOST: "lost",
}

_OUTCOMES: Mapping[int, Stopped] = {
    wire.STOP_OUTCOME_GRACEFUL: "graceful",
    wire.STOP_OUTCOME_KILLED: "killed",
    wire.STOP_OUTCOME_ALREADY_ENDED: "already-ended",
}


class Process:
    """A handle of one process, with the names of Python's `multiprocessing.Process`.

    Many handles, in many programs, may stand for the same process; each knows it by its uid, so that it never touches
    another of the same name.

    The process belongs to the daemon, not to this program: it lives on when the program or the connection ends. Waits
    and reads go on over a restart of the daemon. Interrupting a call that waits does nothing to the process.
    """

    def __init__(
        self, connection: Connection, options: ProcessOptions, latest: wire.Process | None = None
    ) -> None:
        """Programs use `Client.process` and `Client.attach`."""
        self._connection = connection
        self._message = process_message(options, connection.local)
        # What this program asked for itself, it may unpickle.
        self._unpickle = self._message.spec.HasField("python")
        # One for all attempts to start, so that they make one worker.
        self._request_id = str(uuid4())
        self._latest = latest
        self._owned = False
        self.stdin = InputStream(self)
        """Writable when the process was created with `open_stdin`."""
        self.stdout = OutputStream("stdout", self._read)
        self.stderr = OutputStream("stderr", self._read)

    @property
    def latest(self) -> wire.Process:
        """What the daemon last said, as it is on the wire.

        Raises ValueError before `start`, as the properties do that come from it.
        """
        if self._latest is None:
            raise ValueError("The process has not been started")
        return self._latest

    @property
    def name(self) -> str:
        return self._message.name if self._latest is None and self._message.name else self.latest.name

    @property
    def uid(self) -> str:
        return self.latest.uid

    @property
    def pid(self) -> int | None:
        """Of the worker on the daemon's host, for people: signals go by name. None before the start."""
        return None if self._latest is None else self._latest.status.pid

    @property
    def cpus(self) -> Sequence[int]:
        """CPUs to which the kernel says that it is pinned."""
        return [] if self._latest is None else list(self._latest.status.cpus)

    @property
    def state(self) -> State:
        """As this handle last learned: `refresh` asks."""
        return _STATES.get(self.latest.status.state, "unknown")

    @property
    def start_method(self) -> StartMethod | None:
        """How it came into being: `"spawn"` also where the template could not be forked. None when nobody says."""
        return None if self._latest is None else parse_method(self._latest.status.start_method)

    @property
    def start_timings(self) -> StartTimings | None:
        """Where the time went up to the first line of the function; None as long as that is not known, and of programs.

        As this handle last learned: `refresh` and `join` ask.
        """
        if self._latest is None or not self._latest.status.HasField("start_timings"):
            return None
        return parse_timings(self._latest.status.start_timings)

    @property
    def serves_forks(self) -> bool:
        """Whether it could be forked from (`fork_from`) when this handle last learned: `refresh` asks."""
        return self._latest is not None and self._latest.status.serves_forks

    @property
    def unenforced_limits(self) -> Sequence[str]:
        """Of `limits` with `best_effort`: those that nobody enforces."""
        return [] if self._latest is None else list(self._latest.status.unenforced_limits)

    @property
    def exit(self) -> Exit | None:
        """How it ended, as soon as this handle has learned it: by `join`, `stop`, `is_alive` or `refresh`."""
        if self._latest is None or not self._latest.status.HasField("exit"):
            return None
        return parse_exit(self._latest.status.exit)

    @property
    def exitcode(self) -> int | None:
        """-N for death by signal N.

        None as long as `exit` is, and for an end of which nobody knows the code: `exit` is then Lost, and says why.
        """
        exit = self.exit
        return None if exit is None else exit_code_of(exit)

    def start(self) -> Process:
        """Starts the worker, and returns the handle when its program runs.

        Raises what CreateProcess answers, such as InvalidArgumentError EXECUTABLE_NOT_FOUND. Calling it again, also
        after a failure, makes no second worker.
        """
        request = wire.CreateProcessRequest(process=self._message, request_id=self._request_id)
        response = self._connection.repeat(self._connection.processes.CreateProcess, lambda: request)
        self._learn(response.process)
        self._owned = True
        return self

    def join(self, timeout: float | None = None, *, tree: bool = False) -> bool:
        """Waits for the end: True when it has ended, False when the wait ran out. `tree`: of all descendants too."""
        deadline = deadline_after(timeout)
        condition = wire.WAIT_CONDITION_TREE_ENDED if tree else wire.WAIT_CONDITION_ENDED
        response = self._connection.repeat(
            self._connection.processes.WaitProcess,
            lambda: wire.WaitProcessRequest(
                name=self.name, uid=self.uid, condition=condition, wait_ms=wait_ms(deadline)
            ),
        )
        self._learn(response.process)
        return response.reached

    def result(self, timeout: float | None = None, *, unpickle: bool | None = None) -> Any:
        """Waits for the end, and returns what the function returned.

        Raises what the function raised, if it came pickled, else WorkerError; either way with the worker's own
        traceback as its cause. WorkerExitError when the worker ended without a result, as by a signal; TimedOutError
        when the wait ran out.

        What is pickled can run code here. By default it is read if this handle was made for a function in Python, and
        not of a process that was attached to or listed.
        """
        # A list leaves out what a function gave, and so does a record that was read before the end.
        if not (self._latest is not None and has_all(self._latest)) and not self.join(timeout):
            raise TimedOutError(f"The worker {self.name} has not ended", code="DEADLINE_EXCEEDED")
        return value_of(self.latest, self._unpickle if unpickle is None else unpickle)

    def release(self) -> None:
        """Tells a worker that serves forks to stop doing so and to go on. Raises ForkbusError FORKS_NOT_SERVED."""
        request = wire.ReleaseProcessRequest(name=self.name, uid=self.uid)
        self._connection.call(self._connection.processes.ReleaseProcess, request)

    def is_alive(self) -> bool:
        """Asks the daemon. False for a process that has not been started."""
        return self._latest is not None and self.refresh().exit is None

    def refresh(self) -> Process:
        """Asks the daemon how things are."""
        request = wire.GetProcessRequest(name=self.name, uid=self.uid)
        self._learn(self._connection.repeat(self._connection.processes.GetProcess, lambda: request).process)
        return self

    def terminate(self, *, tree: bool = False) -> bool:
        """Sends SIGTERM. False when the process had ended. `tree`: to all descendants too."""
        return self._signal_unless_ended("SIGTERM", tree)

    def kill(self, *, tree: bool = False) -> bool:
        """Sends SIGKILL. False when the process had ended. `tree`: to all descendants too."""
        return self._signal_unless_ended("SIGKILL", tree)

    def signal(self, signal: str | int, *, tree: bool = False) -> None:
        """Sends a signal by name or number. Raises ProcessEndedError.

        Not repeated: when it raises UnavailableError the signal may have been sent.
        """
        request = self._signal_request(signal, tree)
        self._connection.call(self._connection.processes.SignalProcess, request)

    def stop(
        self, timeout: float | None = None, *, stop_signal: str | None = None, grace: float | None = None
    ) -> Stopped:
        """Ends it for good: the stop signal, the grace, then the whole tree is killed. Waits for the end of the worker.

        Signal and grace override what the process was created with. `"pending"`: the wait ran out, and the stop goes
        on.
        """
        deadline = deadline_after(timeout)
        request_id = str(uuid4())
        response = self._connection.repeat(
            self._connection.processes.StopProcess,
            lambda: wire.StopProcessRequest(
                name=self.name,
                uid=self.uid,
                stop=stop_policy(stop_signal, grace),
                wait_ms=wait_ms(deadline),
                request_id=request_id,
            ),
        )
        self._learn(response.process)
        return _OUTCOMES.get(response.outcome, "pending")

    def logs(
        self,
        *,
        stream: StreamName | None = None,
        follow: bool = True,
        tail_lines: int | None = None,
        start: Mapping[StreamName, LogPosition] | None = None,
    ) -> Iterator[LogEvent]:
        """Both streams of output, with gaps as events. By default from the beginning until all have ended."""
        return self._read(LogOptions(stream=stream, follow=follow, tail_lines=tail_lines, start=start))

    def delete(self, *, force: bool = False) -> None:
        """Removes the record and the output.

        Raises ForkbusError PROCESS_RUNNING for one that is alive, unless `force`, which kills its tree. Deleting what
        is not there is no error.
        """
        request = wire.DeleteProcessRequest(name=self.name, uid=self.uid, force=force)
        self._connection.repeat(self._connection.processes.DeleteProcess, lambda: request)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops a process that this handle started, by its stop signal and its grace, and removes its record.

        One that was attached to, or never started, is left alone.
        """
        if not self._owned:
            return
        self._owned = False
        try:
            self.stop()
        except ForkbusError as error_of_stop:
            # Somebody else has removed it, or a new process has its name: either way ours is gone.
            if error_of_stop.code == "NOT_FOUND" or error_of_stop.reason == "UID_MISMATCH":
                return
            raise
        self.delete(force=True)

    def write_at(self, offset: int, data: bytes) -> int:
        """What `stdin` is made of: gives bytes at an offset, and returns the offset to go on at."""
        # Without data it only asks for the offset, for which there is nothing to wait.
        request = wire.WriteStdinRequest(
            name=self.name, uid=self.uid, offset=offset, data=data, wait_ms=0 if data == b"" else None
        )
        return self._connection.repeat(self._connection.processes.WriteStdin, lambda: request).next_offset

    def close_stdin(self) -> None:
        request = wire.CloseStdinRequest(name=self.name, uid=self.uid)
        self._connection.repeat(self._connection.processes.CloseStdin, lambda: request)

    def _read(self, options: LogOptions) -> Iterator[LogEvent]:
        return read_logs(self._connection, self.name, self.uid, options)

    def _learn(self, process: wire.Process) -> None:
        # Answers may overtake each other.
        if self._latest is None or process.revision >= self._latest.revision:
            self._latest = process

    def _signal_request(self, signal: str | int, tree: bool) -> wire.SignalProcessRequest:
        scope = wire.SIGNAL_SCOPE_TREE if tree else wire.SIGNAL_SCOPE_WORKER
        return wire.SignalProcessRequest(
            name=self.name, uid=self.uid, signal=_signal_text(signal), scope=scope, request_id=str(uuid4())
        )

    def _signal_unless_ended(self, signal: str, tree: bool) -> bool:
        """Both signals do the same when they come twice, so this one may be repeated."""
        request = self._signal_request(signal, tree)
        try:
            self._connection.repeat(self._connection.processes.SignalProcess, lambda: request)
        except ProcessEndedError:
            return False
        return True


def _signal_text(signal: str | int) -> str:
    """Also of `signal.SIGTERM`, whose text differs between versions of Python."""
    return signal if isinstance(signal, str) else str(int(signal))
