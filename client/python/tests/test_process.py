"""Processes of a real daemon, with the names of Python's."""

from __future__ import annotations

import signal
from uuid import uuid4

import pytest

from eventually import eventually
from forkbus import (
    AlreadyExistsError,
    Client,
    Exited,
    ForkbusError,
    InvalidArgumentError,
    LogChunk,
    LogEnd,
    NotFoundError,
    ProcessEndedError,
    Rlimit,
    Signaled,
)


def test_tells_how_it_went(bus: Client) -> None:
    with bus.process(argv=["sh", "-c", "echo out; echo err >&2; exit 7"]).start() as child:
        assert child.stdout.text() == "out\n"
        assert list(child.stderr.lines()) == ["err"]
        assert child.join()
        assert child.exitcode == 7
        assert isinstance(child.exit, Exited)
        assert (child.exit.code, child.exit.cause, child.exit.succeeded) == (7, "self", False)
        assert child.exit.start_time is not None and child.exit.end_time is not None
        assert child.exit.start_time <= child.exit.end_time
        assert child.exit.usage is not None and child.exit.usage.max_rss_bytes > 0
        assert child.state == "exited"
        assert not child.is_alive()


def test_tells_signals_from_codes(bus: Client) -> None:
    with bus.process(argv=["sleep", "60"]).start() as child:
        assert child.is_alive()
        assert (child.exitcode, child.exit, child.state) == (None, None, "running")
        assert child.pid is not None and child.pid > 1
        assert child.join(timeout=0.01) is False
        assert child.kill() is True
        child.join()
        assert child.exitcode == -9
        assert isinstance(child.exit, Signaled)
        assert (child.exit.signal_name, child.exit.cause) == ("SIGKILL", "signal-requested")
        assert child.kill() is False
        assert child.terminate() is False
        with pytest.raises(ProcessEndedError):
            child.signal("SIGUSR1")


def test_gives_a_worker_its_environment_its_input_and_its_place(bus: Client) -> None:
    program = 'echo "$GREETING $PWD $(umask)"; tr a-z A-Z'
    with bus.process(
        argv=["sh", "-c", program], env={"GREETING": "hi"}, cwd="/usr", umask=0o27, open_stdin=True
    ).start() as child:
        child.stdin.write("hello\n")
        child.stdin.end(b"world\n")
        assert child.stdout.text() == "hi /usr 0027\nHELLO\nWORLD\n"
        with pytest.raises(ForkbusError):
            child.stdin.write("too late")


def test_merges_output_and_throws_it_away_as_it_is_told(bus: Client) -> None:
    argv = ["sh", "-c", "echo a; echo b >&2; echo c"]
    with bus.process(argv=argv, merge_stderr=True).start() as merged:
        assert merged.stdout.text() == "a\nb\nc\n"
    with bus.process(argv=argv, stdout="null").start() as silent:
        assert (silent.stdout.text(), silent.stderr.text()) == ("", "b\n")


def test_pins_and_limits_it(bus: Client) -> None:
    limits: dict[str, Rlimit] = {"RLIMIT_NOFILE": {"soft": 64, "hard": 64}}
    with bus.process(argv=["sh", "-c", "ulimit -n; nproc"], cpus=[0], rlimits=limits).start() as child:
        assert child.cpus == [0]
        assert child.stdout.text() == "64\n1\n"
    with bus.process(argv=["true"], cpus="all").start() as free:
        assert free.join()


def test_stops_by_its_stop_signal_and_then_by_force(bus: Client) -> None:
    with bus.process(argv=["sleep", "60"], stop_signal="SIGINT").start() as child:
        assert child.stop() == "graceful"
        assert child.exitcode == -signal.SIGINT
        assert child.stop() == "already-ended"
    with bus.process(argv=["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]).start() as stubborn:
        assert next(stubborn.stdout.lines()) == "ready"
        assert stubborn.stop(grace=0.01) == "killed"


def test_reaches_the_whole_tree(bus: Client) -> None:
    program = "sleep 60 & echo ready; wait"
    with bus.process(argv=["sh", "-c", program], on_exit="wait-tree").start() as child:
        assert next(child.stdout.lines()) == "ready"
        child.signal(signal.SIGTERM)
        assert child.join()
        assert child.join(timeout=0.01, tree=True) is False
        child.stop(grace=0)
        assert child.join(timeout=20, tree=True) is True


def test_says_what_is_wrong_with_a_program(bus: Client) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        bus.process(argv=["/no/such/program"]).start()
    assert caught.value.reason == "EXECUTABLE_NOT_FOUND"
    assert caught.value.metadata["path"] == "/no/such/program"
    with pytest.raises(TypeError, match="sequence of the program"):
        bus.process(argv="ls -l")
    with pytest.raises(TypeError, match="no option working_dir"):
        bus.process(argv=["ls"], working_dir="/")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="not been started"):
        bus.process(argv=["ls"]).join()


def test_starts_one_worker_however_often_it_is_asked(bus: Client) -> None:
    name = f"once-{uuid4()}"
    child = bus.process(argv=["true"], name=name)
    with child.start():
        uid = child.uid
        assert child.start().uid == uid
        with pytest.raises(AlreadyExistsError):
            bus.process(argv=["true"], name=name).start()


def test_is_found_listed_and_left_alone_by_who_did_not_start_it(bus: Client) -> None:
    label = {"test": str(uuid4())}
    started = [bus.process(argv=["sleep", "60"], labels=label).start() for _ in range(5)]
    names = sorted(child.name for child in started)
    assert [child.name for child in bus.list(labels=label, page_size=2)] == names
    assert [child.name for child in bus.list(labels=label, states=["exited"])] == []
    with bus.attach(names[0]) as attached:
        assert attached.uid in {child.uid for child in started}
    assert attached.is_alive()
    for child in started:
        with pytest.raises(ForkbusError) as alive:
            child.delete()
        assert alive.value.reason == "PROCESS_RUNNING"
        child.delete(force=True)
        child.delete()
    with pytest.raises(NotFoundError):
        bus.attach(names[0])


def test_reads_logs_from_a_tail_and_from_a_position(bus: Client) -> None:
    with bus.process(argv=["sh", "-c", "seq 5; echo err >&2"]).start() as child:
        child.join()
        tail = list(child.logs(stream="stdout", tail_lines=2))
        assert b"".join(event.data for event in tail if isinstance(event, LogChunk)) == b"4\n5\n"
        assert isinstance(tail[-1], LogEnd)
        chunk = tail[0]
        assert isinstance(chunk, LogChunk) and chunk.position.offset == 6
        rest = list(child.logs(stream="stdout", follow=False, start={"stdout": chunk.position}))
        assert b"".join(event.data for event in rest if isinstance(event, LogChunk)) == b"4\n5\n"
        assert {event.stream for event in child.logs()} == {"stdout", "stderr"}


def test_follows_output_line_by_line(bus: Client) -> None:
    with bus.process(argv=["cat"], open_stdin=True).start() as child:
        lines = child.stdout.lines()
        for line in ("one", "two"):
            child.stdin.write(line + "\n")
            assert next(lines) == line
        child.stdin.end("three, without its end")
        assert list(lines) == ["three, without its end"]
    eventually(lambda: all(each.name != child.name for each in bus.list()), "the record to be removed")
