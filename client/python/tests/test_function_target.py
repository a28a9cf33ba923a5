"""How functions are named and called, as it is on the wire."""

from __future__ import annotations

import functools
import json
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from forkbus import ProcessOptions
from forkbus.process_options import process_message
from forkbus.v1 import process_pb2
from forkbus.v1.types_pb2 import FunctionTarget


class Greeter:
    def __init__(self, word: str) -> None:
        self.word = word

    def greet(self, whom: str) -> str:
        return f"{self.word} {whom}"

    @classmethod
    def make(cls, word: str) -> Greeter:
        return cls(word)

    def __call__(self) -> str:
        return self.word


def add(a: int, b: int = 0) -> int:
    return a + b


def decorate(function: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(function)
    def wrapper(*args: int) -> int:
        return function(*args)

    return wrapper


@decorate
def decorated(a: int) -> int:
    return a


hidden = add


def spec(*, local: bool = True, **options: Any) -> process_pb2.ProcessSpec:
    message: ProcessOptions = options  # type: ignore[assignment]
    return process_message(message, local).spec


def target(**options: Any) -> FunctionTarget:
    return spec(**options).python


def unpickled(target: FunctionTarget) -> Any:
    assert target.arguments.encoding == "pickle"
    return pickle.loads(target.arguments.data)


def test_names_a_function_as_it_is_found() -> None:
    assert target(target=add).function == f"{__name__}:add"
    assert target(target=decorated).function == f"{__name__}:decorated"
    assert target(target=Greeter).function == f"{__name__}:Greeter"
    assert target(target=Greeter.make).function == f"{__name__}:Greeter.make"
    assert target(target=math.sqrt).function == "math:sqrt"
    assert target(python="a.b:c.d").function == "a.b:c.d"


def test_takes_a_partial_and_a_method_apart() -> None:
    partial = functools.partial(functools.partial(add, 1), b=5)
    whole = target(target=partial, args=[2], kwargs={"c": 3})
    assert (whole.function, unpickled(whole)) == (f"{__name__}:add", ((1, 2), {"b": 5, "c": 3}))
    method = target(target=Greeter("hello").greet, args=["you"])
    assert method.function == f"{__name__}:Greeter.greet"
    (greeter, whom), nothing = unpickled(method)
    assert (greeter.greet(whom), nothing) == ("hello you", {})


def test_refuses_what_no_name_leads_to() -> None:
    def inner() -> None: ...

    with pytest.raises(TypeError, match=r"<lambda> is a lambda: define it at the top of a module"):
        target(target=lambda: 1)
    with pytest.raises(TypeError, match="inner is defined inside a function"):
        target(target=inner)
    with pytest.raises(TypeError, match="by its name in a module, which <.*Greeter object"):
        target(target=Greeter("x"))
    with pytest.raises(TypeError, match=":Lost is not"):
        target(target=type("Lost", (), {}))
    with pytest.raises(TypeError, match="target is a function, got 'module:f'"):
        target(target="module:f")


def test_encodes_arguments_as_they_are_asked_for() -> None:
    assert unpickled(target(python="m:f", args=[1, {2}], kwargs={"x": b"y"})) == ((1, {2}), {"x": b"y"})
    positional = target(python="m:f", args=(1, "two"), encoding="json", result_encoding="raw")
    assert (positional.arguments.data, positional.arguments.encoding) == (b'[1,"two"]', "json")
    assert positional.result_encoding == "raw"
    assert target(python="m:f", kwargs={"a": 1}, encoding="json").arguments.data == b'{"a":1}'
    raw = target(python="m:f", args=[b"\0\xff"], encoding="raw").arguments
    assert (raw.data, raw.encoding) == (b"\0\xff", "raw")
    for encoding in ("pickle", "json", "raw"):
        nothing = target(python="m:f", encoding=encoding).arguments
        assert (nothing.data, nothing.encoding) == (b"", encoding)
    node = spec(node="jobs.js#resize", args=[{"width": 3}]).node
    assert (node.function, node.arguments.encoding) == ("jobs.js#resize", "json")
    assert json.loads(node.arguments.data) == [{"width": 3}]


def test_refuses_arguments_that_the_encoding_cannot_say() -> None:
    with pytest.raises(TypeError, match="positional or keyword arguments, not both"):
        target(python="m:f", args=[1], kwargs={"a": 1}, encoding="json")
    with pytest.raises(ValueError, match="not JSON compliant"):
        target(python="m:f", args=[math.nan], encoding="json")
    with pytest.raises(TypeError, match="one argument, of bytes, got 2"):
        target(python="m:f", args=[b"a", b"b"], encoding="raw")
    with pytest.raises(ValueError, match="pickle, json, raw, got 'xml'"):
        target(python="m:f", encoding="xml")
    with pytest.raises(AttributeError, match="local object|local func"):
        target(target=add, args=[_local()])


def _local() -> object:
    class Local: ...

    return Local()


def test_lets_a_worker_on_this_host_load_what_this_program_loads() -> None:
    here = str(Path(__file__).resolve().parent)
    assert here in target(target=add).module_path
    assert all(Path(each).is_absolute() for each in target(python="m:f").module_path)
    assert "site-packages" not in "".join(target(target=pytest.raises).module_path)
    assert target(target=add, local=False).module_path == []
    assert target(python="m:f", module_path=["/far/away"], local=False).module_path == ["/far/away"]
    assert target(python="m:f", module_path=["near"]).module_path == [str(Path("near").resolve())]
    assert spec(node="jobs.js", module_path=["/app"]).node.module_path == ["/app"]


PROGRAM = """
import json, sys
from forkbus.process_options import process_message

class Thing: ...

def work(): ...

def show(**options):
    try:
        target = process_message(options, options.pop("local", True)).spec.python
        return [target.function, target.main_file, list(target.module_path)[:1]]
    except TypeError as error:
        return str(error)

if __name__ == "__main__":
    print(json.dumps([
        show(target=work), show(python="m:f", args=[Thing()]), show(python="m:f", args=[1]),
        show(target=work, local=False), show(target=work, local=False, main_file="/there/app.py"),
    ]))
"""


def run(*command: str, cwd: Path) -> Any:
    done = subprocess.run([sys.executable, *command], cwd=cwd, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_finds_functions_of_the_main_file(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    file = folder / "program.py"
    file.write_text(PROGRAM)
    work, thing, plain, far, far_given = run("app/program.py", cwd=tmp_path)
    assert work == ["__mp_main__:work", str(file), [str(folder)]]
    assert thing == ["m:f", str(file), [str(folder)]]
    assert plain == ["m:f", "", [str(folder)]]
    assert "pass its main_file" in far
    assert far_given == ["__mp_main__:work", "/there/app.py", []]
    assert run("-m", "app.program", cwd=tmp_path)[0] == ["app.program:work", "", [str(tmp_path)]]
    assert "a program that is no file: put them into a module" in run("-c", PROGRAM, cwd=tmp_path)[0]


def test_refuses_to_start_others_from_a_file_that_a_worker_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = ModuleType("_forkbus_zygote")
    monkeypatch.setitem(sys.modules, "_forkbus_zygote", runtime)
    options = {"python": "__mp_main__:f", "main_file": "/app.py"}
    monkeypatch.setattr(runtime, "current", lambda: None, raising=False)
    with pytest.raises(RuntimeError, match='only under `if __name__ == "__main__":`'):
        target(**options)
    monkeypatch.setattr(runtime, "current", lambda: "a worker at work")
    assert target(**options).main_file == "/app.py"


def test_says_how_a_worker_begins_and_what_limits_it() -> None:
    made = spec(python="m:f", method="forkserver", template="numpy", fork_from="other")
    assert (made.start_method, made.template, made.fork_from) == (process_pb2.START_METHOD_FORKSERVER, "numpy", "other")
    assert spec(argv=["ls"]).start_method == process_pb2.START_METHOD_UNSPECIFIED
    limits = spec(
        argv=["ls"],
        rlimits={"RLIMIT_NOFILE": {"soft": 5}},
        limits={"memory_max_bytes": 1 << 30, "pids_max": 7, "cpu_max": 1.5, "best_effort": True},
    ).limits
    assert (limits.memory_max_bytes, limits.pids_max, limits.cpu_max_milli) == (1 << 30, 7, 1500)
    assert (limits.best_effort, limits.memory_high_bytes, limits.rlimits[0].soft) == (True, 0, 5)
    with pytest.raises(TypeError, match="no limit memory"):
        spec(argv=["ls"], limits={"memory": 5})
    with pytest.raises(ValueError, match="at least a thousandth"):
        spec(argv=["ls"], limits={"cpu_max": 0.0001})
    with pytest.raises(ValueError, match="spawn, forkserver, fork, got 'clone'"):
        spec(python="m:f", method="clone")
    with pytest.raises(TypeError, match="one thing, got target and python"):
        spec(python="m:f", target=add)
    with pytest.raises(TypeError, match="A program has no args, encoding"):
        spec(argv=["ls"], args=[1], encoding="json")
