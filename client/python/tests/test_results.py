"""What a function gives back, as the wire says it."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

import pytest

from fake_daemon import FakeDaemon
from forkbus import Client, ForkbusError, RemoteTraceback, TimedOutError, WorkerError, WorkerExitError
from forkbus.v1 import process_pb2 as wire
from forkbus.v1.types_pb2 import Payload, WorkerException


class PaperJam(Exception):
    def __init__(self, tray: int) -> None:
        super().__init__(tray)
        self.tray = tray


def ended(result: wire.ProcessResult | None, **exit: Any) -> wire.Process:
    process = wire.Process(name="process-1", uid="uid-1", revision=2)
    process.spec.python.function = "m:f"
    process.status.state = wire.PROCESS_STATE_EXITED
    process.status.exit.CopyFrom(wire.ExitRecord(**exit))
    if result is not None:
        process.status.result.CopyFrom(result)
    return process


def value(data: bytes, encoding: str) -> wire.Process:
    payload = Payload(data=data, encoding=encoding)
    return ended(wire.ProcessResult(value=payload, size_bytes=len(data)), exit_code=0, succeeded=True)


def raised(kind: str, message: str, pickled: object = None) -> wire.Process:
    data = b"" if pickled is None else pickle.dumps(pickled)
    exception = WorkerException(type=kind, message=message, traceback=f"Traceback: at line 7\n{kind}")
    if pickled is not None:
        exception.payload.CopyFrom(Payload(data=data, encoding="pickle"))
    return ended(wire.ProcessResult(exception=exception, size_bytes=len(data)), exit_code=1)


def result_of(fake: FakeDaemon, bus: Client, process: wire.Process) -> Any:
    fake.process = wire.Process()
    child = bus.spawn(python="m:f")
    fake.process = process
    return child.result(timeout=10)


@pytest.mark.parametrize(
    ("data", "encoding", "expected"),
    [
        (b'{"a":[1,null]}', "json", {"a": [1, None]}),
        (b"{}", "", {}),
        (b"\0\xff", "raw", b"\0\xff"),
        (b"", "raw", b""),
        (pickle.dumps({1, (2, 3)}), "pickle", {1, (2, 3)}),
    ],
)
def test_returns_what_the_function_returned(
    fake: FakeDaemon, to_fake: Client, data: bytes, encoding: str, expected: object
) -> None:
    assert result_of(fake, to_fake, value(data, encoding)) == expected


def test_raises_what_was_raised_with_the_traceback_of_the_worker(fake: FakeDaemon, to_fake: Client) -> None:
    with pytest.raises(PaperJam) as caught:
        result_of(fake, to_fake, raised("m.PaperJam", "3", PaperJam(3)))
    assert caught.value.tray == 3
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    shown = "".join(traceback.format_exception(caught.value))
    assert "In the worker process-1:\nTraceback: at line 7" in shown


def test_tells_of_an_exception_that_cannot_be_brought_here(fake: FakeDaemon, to_fake: Client) -> None:
    unknown = raised("far.Away", "gone", PaperJam(3))
    payload = unknown.status.result.exception.payload
    payload.data = payload.data.replace(b"PaperJam", b"PaperJim")
    for process in (raised("far.Away", "gone"), unknown):
        with pytest.raises(WorkerError, match="^far.Away: gone$") as caught:
            result_of(fake, to_fake, process)
        error = caught.value
        assert (error.type, error.message, error.process) == ("far.Away", "gone", "process-1")
        assert "line 7" in error.traceback and isinstance(error.__cause__, RemoteTraceback)
    with pytest.raises(WorkerError, match="^Bare$"):
        result_of(fake, to_fake, raised("Bare", ""))


@pytest.mark.parametrize(
    ("exit", "message"),
    [
        ({"exit_code": 3}, "it exited with code 3"),
        ({"signal": wire.SignalExit(number=9, name="SIGKILL")}, "it was killed by SIGKILL"),
        (
            {"signal": wire.SignalExit(number=15, name="SIGTERM"), "cause": wire.EXIT_CAUSE_STOP_REQUESTED},
            "it was killed by SIGTERM, as it was stopped",
        ),
        ({"lost": wire.LostExit(message="The host was restarted")}, "is lost, .*: The host was restarted"),
    ],
)
def test_says_how_a_worker_ended_that_gave_no_result(
    fake: FakeDaemon, to_fake: Client, exit: dict[str, Any], message: str
) -> None:
    with pytest.raises(WorkerExitError, match=message) as caught:
        result_of(fake, to_fake, ended(None, **exit))
    assert caught.value.exit.kind == {"exit_code": "exited", "signal": "signaled", "lost": "lost"}[next(iter(exit))]


def test_unpickles_only_what_this_program_asked_for(fake: FakeDaemon, to_fake: Client) -> None:
    fake.process = value(pickle.dumps("ours?"), "pickle")
    stranger = to_fake.attach("process-1")
    with pytest.raises(ForkbusError, match="unpickle=True where you trust"):
        stranger.result()
    assert stranger.result(unpickle=True) == "ours?"
    child = to_fake.spawn(python="m:f")
    with pytest.raises(ForkbusError, match="unpickle=True"):
        child.result(unpickle=False)
    node = to_fake.spawn(node="a#b")
    with pytest.raises(ForkbusError, match="unpickle=True"):
        node.result()
    fake.process = raised("m.PaperJam", "3", PaperJam(3))
    with pytest.raises(WorkerError, match="m.PaperJam: 3"):
        to_fake.attach("process-1").result()


def test_says_what_cannot_be_decoded(fake: FakeDaemon, to_fake: Client) -> None:
    for process in (value(b"{", "json"), value(b"no pickle", "pickle"), value(b"<a/>", "xml")):
        with pytest.raises(ForkbusError) as caught:
            result_of(fake, to_fake, process)
        assert caught.value.code == "DATA_LOSS"


def test_waits_for_a_result_and_fetches_what_lists_leave_out(fake: FakeDaemon, to_fake: Client) -> None:
    child = to_fake.spawn(python="m:f")
    fake.reached = False
    with pytest.raises(TimeoutError) as caught:
        child.result(timeout=0)
    assert isinstance(caught.value, TimedOutError) and caught.value.code == "DEADLINE_EXCEEDED"
    fake.reached = True
    fake.process = value(b"[1,2]", "json")
    (listed,) = to_fake.list()
    assert listed.latest.status.result.value.data == b""
    assert listed.result() == [1, 2]
    waits = len(fake.requests)
    assert listed.result() == [1, 2]
    assert len(fake.requests) == waits


def test_has_no_result_of_a_program(fake: FakeDaemon, to_fake: Client) -> None:
    with pytest.raises(TypeError, match="runs a program, which has no result"):
        to_fake.spawn(argv=["true"]).result()


def test_tells_how_a_worker_came_into_being(fake: FakeDaemon, to_fake: Client) -> None:
    child = to_fake.process(python="m:f")
    assert (child.start_method, child.start_timings, child.serves_forks) == (None, None, False)
    assert child.unenforced_limits == []
    status = fake.process.status
    status.start_method = wire.START_METHOD_FORK
    status.serves_forks = True
    status.unenforced_limits.append("memory_max_bytes")
    status.start_timings.CopyFrom(wire.StartTimings(admission_us=500, fork_us=1500, total_us=2000))
    child.start()
    assert (child.start_method, child.serves_forks) == ("fork", True)
    assert child.unenforced_limits == ["memory_max_bytes"]
    timings = child.start_timings
    assert timings is not None and (timings.admission, timings.fork, timings.total) == (0.0005, 0.0015, 0.002)
    another = to_fake.spawn(python="m:g", fork_from=child)
    assert fake.created.fork_from == child.name != ""
    another.release()
    assert isinstance(fake.requests[-1], wire.ReleaseProcessRequest)
