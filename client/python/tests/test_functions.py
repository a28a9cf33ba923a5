"""Functions in workers of a real daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import worker_functions as functions
from daemon_harness import Daemon
from eventually import eventually
from forkbus import Client, ForkbusError, Process, Template, WorkerError, WorkerExitError
from forkbus.v1 import template_pb2 as wire


@pytest.fixture
def with_forkbus(bus: Client) -> Template:
    """Workers of the interpreter that runs the tests, in which this package is installed."""
    preload = ["forkbus.worker", "forkbus.public"]
    template = bus.templates.ensure("with-forkbus", 60, interpreter=sys.executable, preload=preload)
    assert template.state == "ready", template.failure
    return template


@pytest.fixture
def started() -> Iterator[list[Process]]:
    """Processes to be removed."""
    processes: list[Process] = []
    yield processes
    for each in processes:
        each.delete(force=True)


def test_calls_functions_and_returns_what_they_return(bus: Client) -> None:
    with bus.spawn(functions.describe, args=[1, {2}], kwargs={"x": b"y"}) as child:
        assert child.result(timeout=60) == {"args": [1, {2}], "kwargs": {"x": b"y"}}
        assert child.exitcode == 0
        assert child.start_method == "forkserver"
        timings = child.start_timings
        assert timings is not None
        parts = (timings.admission, timings.pending, timings.hop, timings.fork, timings.specialise, timings.first_line)
        assert timings.total == pytest.approx(sum(parts), abs=0.001) and timings.fork > 0
        assert bus.attach(child.name).result(unpickle=True) == child.result()
    with bus.spawn(functions.Counter(4).add, args=[5]) as added:
        assert added.result(timeout=60).count == 9
    with bus.spawn(functions.later, args=["awaited"]) as later:
        assert later.result(timeout=60) == "awaited"
    with bus.spawn(python="worker_functions:describe", kwargs={"a": [1, None]}, encoding="json") as by_name:
        assert by_name.result(timeout=60) == {"args": [], "kwargs": {"a": [1, None]}}
    with bus.spawn(functions.reverse, args=[b"\0\xff"], encoding="raw") as raw:
        assert raw.result(timeout=60) == b"\xff\0"
    with bus.spawn(python="math:hypot", args=[3, 4], result_encoding="json") as far:
        assert far.result(timeout=60) == 5.0
        assert far.latest.status.result.value.data == b"5.0"


def test_calls_functions_of_node(bus: Client, tmp_path: Path) -> None:
    (tmp_path / "jobs.mjs").write_text("export const add = async (a, b) => a + b;\nexport default () => 'alone';\n")
    with bus.spawn(node="./jobs.mjs#add", args=[2, 3], module_path=[str(tmp_path)]) as added:
        assert added.result(timeout=60) == 5
    with bus.spawn(node="./jobs.mjs", module_path=[str(tmp_path)]) as alone:
        assert alone.result(timeout=60) == "alone"
    with bus.spawn(node="./jobs.mjs#gone", module_path=[str(tmp_path)]) as gone, pytest.raises(WorkerError):
        gone.result(timeout=60)


def test_raises_what_a_function_raised(bus: Client) -> None:
    with bus.spawn(functions.jam, args=[3]) as child:
        with pytest.raises(functions.PaperJam) as caught:
            child.result(timeout=60)
        assert caught.value.tray == 3
        assert "in jam\n    raise PaperJam(tray)" in "".join(traceback.format_exception(caught.value))
        assert child.exitcode == 1
        assert "PaperJam: 3" in child.stderr.text()
    for options, kind, message in (
        ({"python": "worker_functions:jam", "args": [3], "encoding": "json"}, "worker_functions.PaperJam", "3"),
        ({"target": functions.fail_alone}, "worker_functions.Unpicklable", "mine"),
    ):
        child = bus.spawn(**options)
        with child, pytest.raises(WorkerError) as error:
            child.result(timeout=60)
        assert (error.value.type, error.value.message) == (kind, message)
        assert "worker_functions.py" in error.value.traceback
    with bus.spawn(python="worker_functions:gone") as nowhere, pytest.raises(AttributeError, match="gone"):
        nowhere.result(timeout=60)
    with bus.spawn(python="no_such_module:f") as nowhere, pytest.raises(ModuleNotFoundError):
        nowhere.result(timeout=60)


def test_tells_how_a_worker_without_a_result_ended(bus: Client) -> None:
    for function, number, message in (
        (functions.leave, 3, "exited with code 3"),
        (functions.die, int(signal.SIGKILL), "was killed by SIGKILL"),
    ):
        child = bus.spawn(function, args=[number])
        with child, pytest.raises(WorkerExitError, match=message):
            child.result(timeout=60)
    with bus.spawn(functions.die, args=[0]) as waiting:
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.01)
        waiting.stop()
        with pytest.raises(WorkerExitError, match="SIGTERM, as it was stopped"):
            waiting.result(timeout=60)


def test_begins_afresh_or_from_what_a_template_has_loaded(bus: Client) -> None:
    template = bus.templates.create(
        f"warm/{uuid4()}", preload=["xml.dom.minidom", "worker_functions"], init=functions.warm_up, init_args=["up"]
    )
    ready = bus.templates.wait(template.name, timeout=60)
    assert ready.state == "ready" and ready.report is not None, ready.failure
    assert [each.name for each in ready.report.modules][:2] == ["xml.dom.minidom", "worker_functions"]
    with bus.spawn(functions.look, template=ready) as forked, bus.spawn(functions.look, template=ready) as sibling:
        seen = forked.result(timeout=60)
        assert (seen["word"], seen["parsed"], seen["loaded_in"]) == ("up", True, ready.report.pid)
        assert sibling.result(timeout=60)["pid"] != seen["pid"] == forked.pid
    with bus.spawn(functions.look, template=ready, method="spawn") as spawned:
        seen = spawned.result(timeout=60)
        assert (seen["word"], seen["parsed"], seen["loaded_in"]) == ("up", True, spawned.pid)
        assert spawned.start_method == "spawn"
    with bus.spawn(functions.look) as bare:
        seen = bare.result(timeout=60)
        assert "word" not in seen and seen["parsed"] is False
    # What was read can be changed and sent again, with the arguments of init.
    changed = wire.UpdateTemplateRequest(name=template.name, spec=bus.templates.get(template.name).latest.spec)
    changed.spec.env["CHANGED"] = "1"
    bus.call(bus.templates.service.UpdateTemplate, changed)
    again = bus.templates.wait(template.name, timeout=60)
    assert (again.state, again.serving_generation) == ("ready", 2)
    with bus.spawn(functions.look, template=again) as anew:
        assert anew.result(timeout=60)["word"] == "up"
    updated = bus.templates.update(template.name, preload=["worker_functions"])
    assert updated.newest_generation == 3
    bus.templates.wait(template.name, timeout=60)
    with bus.spawn(functions.look, template=template) as newer:
        assert newer.result(timeout=60)["parsed"] is False
    bus.templates.delete(template.name)
    with pytest.raises(ForkbusError) as caught:
        bus.spawn(functions.look, template=template)
    assert caught.value.reason == "TEMPLATE_NOT_FOUND"


def test_says_why_a_template_cannot_be_made(bus: Client) -> None:
    name = f"broken/{uuid4()}"
    failed = bus.templates.ensure(name, 60, preload=["json", "no_such_module"])
    assert failed.state == "failed" and failed.failure is not None
    assert failed.failure.module == "no_such_module"
    assert failed.failure.exception.startswith("ModuleNotFoundError")
    with pytest.raises(ForkbusError) as caught:
        bus.spawn(functions.look, template=name)
    assert caught.value.reason == "PRELOAD_FAILED"
    assert [each.state for each in bus.templates.list(name_prefix="broken/")] == ["failed"]
    bus.templates.delete(name)


def test_gives_a_function_its_environment_its_limits_and_its_place(bus: Client) -> None:
    with bus.spawn(
        functions.limits, env={"GREETING": "hi"}, rlimits={"RLIMIT_NOFILE": {"soft": 64, "hard": 100}}, cpus=[0]
    ) as child:
        assert child.result(timeout=60) == ((64, 100), [0], "hi")
    with bus.spawn(functions.describe, limits={"pids_max": 50, "best_effort": True}) as modest:
        assert modest.result(timeout=60)["args"] == []
        assert set(modest.unenforced_limits) <= {"pids_max"}


def test_connects_from_inside_a_worker(bus: Client, with_forkbus: Template) -> None:
    with bus.queue(codec="json") as queue:
        queue.put(41)
        with bus.spawn(functions.use_bus, args=[queue.name], kwargs={"offset": 1}, template=with_forkbus) as child:
            seen = child.result(timeout=60)
            assert (seen["id"], seen["name"]) == (child.uid.replace("-", ""), child.name)
            assert (seen["item"], seen["arguments"]) == (42, ((queue.name,), {"offset": 1}))


def test_forks_a_live_worker_until_it_is_released(
    bus: Client, with_forkbus: Template, started: list[Process]
) -> None:
    with bus.queue(codec="json") as queue:
        queue.put_many([1, 2, 3])
        live = bus.spawn(functions.serve, args=[queue.name], template=with_forkbus)
        started.append(live)
        eventually(lambda: live.refresh().serves_forks, "it to serve forks")
        for expected in (2, 3):
            child = bus.spawn(functions.use_bus, args=[queue.name], kwargs={"offset": 10}, fork_from=live)
            started.append(child)
            assert child.result(timeout=60)["item"] == expected + 10
            assert child.start_method == "fork"
        looking = bus.spawn(functions.look, fork_from=live.name)
        started.append(looking)
        seen = looking.result(timeout=60)
        assert (seen["served"], "released" in seen, seen["pid"]) == (1, False, looking.pid)
        live.release()
        queue.put(4)
        state, item = live.result(timeout=60)
        assert (state["released"], item) == (True, 4)
        with pytest.raises(ForkbusError) as caught:
            bus.spawn(functions.look, fork_from=live)
        assert caught.value.code == "FAILED_PRECONDITION"


def test_does_not_serve_forks_with_a_thread(bus: Client, with_forkbus: Template) -> None:
    with bus.spawn(functions.serve_with_a_thread, template=with_forkbus) as child:
        with pytest.raises(RuntimeError, match="lingering"):
            child.result(timeout=60)


PROGRAM = """
import json
import sys
from pathlib import Path
from forkbus import connect

NAME = Path(__file__).name

class Order:
    def __init__(self, n):
        self.n = n

class Refused(Exception):
    pass

def double(order):
    assert type(order) is Order and (__name__, NAME) == ("__mp_main__", "program.py")
    return Order(order.n * 2)

def refuse():
    raise Refused("no")

if __name__ == "__main__":
    with connect(sys.argv[1]) as bus:
        with bus.spawn(double, args=[Order(21)], template=sys.argv[2]) as child:
            answer = child.result(timeout=60)
            assert type(answer) is Order
        with bus.spawn(refuse, template=sys.argv[2]) as child:
            try:
                child.result(timeout=60)
            except Refused as error:
                print(json.dumps([answer.n, str(error)]))
"""


def run(*command: str, cwd: Path) -> Any:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FORKBUS_")}
    done = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, env=clean, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_calls_functions_of_a_programs_own_file(
    shared_daemon: Daemon, with_forkbus: Template, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    assert run("program.py", shared_daemon.address, with_forkbus.name, cwd=tmp_path) == [42, "no"]


def test_does_not_start_workers_without_end_where_a_program_forgets_its_guard(
    shared_daemon: Daemon, with_forkbus: Template, tmp_path: Path
) -> None:
    main, _, body = PROGRAM.partition('if __name__ == "__main__":')
    # A worker has no arguments of a command line.
    body = body.replace("sys.argv[1]", repr(shared_daemon.address)).replace("sys.argv[2]", repr(with_forkbus.name))
    (tmp_path / "program.py").write_text(f"{main}if True:{body}")
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "start processes only under" in done.stderr
