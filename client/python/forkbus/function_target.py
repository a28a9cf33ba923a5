"""Functions for workers to call."""

from __future__ import annotations

import os.path
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from .function_reference import WORKERS_MAIN, function_call, know_workers_main, main_file
from .module_path import default_module_path
from .payload import Encoding, encode_arguments
from .v1.types_pb2 import FunctionTarget, Payload


class FunctionOptions(TypedDict, total=False):
    """How a function is found and called."""

    args: Iterable[Any]
    """Positional arguments."""
    kwargs: Mapping[str, Any]
    """Keyword arguments; in node the one argument, an object."""
    encoding: Encoding
    """Of arguments and result. Default: `"pickle"` for python, `"json"` for node. `"raw"`: one argument of bytes."""
    result_encoding: Encoding
    """Where the result has another encoding."""
    module_path: Sequence[str]
    """Folders on the daemon's host, absolute, in which the worker looks for modules before all others. Default: none
    over TCP; on this host those from which this program, and the function, were loaded."""
    main_file: str
    """A file that the worker loads as `__mp_main__`. Default: this program's, where it is needed."""


def python_target(function: str | Callable[..., object], options: FunctionOptions, local: bool) -> FunctionTarget:
    """By `module:function`, or a function of this program. `local`: the worker sees the files of this program."""
    args, kwargs = tuple(options.get("args", ())), dict(options.get("kwargs", {}))
    module = None
    if not isinstance(function, str):
        call = function_call(function, args, kwargs)
        function, args, kwargs, module = call.function, call.args, call.kwargs, call.module
    target = _target(function, options, encode_arguments(options.get("encoding", "pickle"), args, kwargs), local)
    if "module_path" not in options and local:
        target.module_path.extend(default_module_path(module))
    if _needs_main(target) and _is_loading():
        raise RuntimeError(
            'A worker loads this program\'s own file: start processes only under `if __name__ == "__main__":`'
        )
    target.main_file = options.get("main_file", main_file() if local and _needs_main(target) else "")
    if function.startswith(f"{WORKERS_MAIN}:") and target.main_file == "":
        raise TypeError("A worker of a daemon elsewhere cannot load this program's file: pass its main_file there")
    know_workers_main()
    return target


def node_target(function: str, options: FunctionOptions, local: bool) -> FunctionTarget:
    """By `file#export` or `package#export`."""
    if not isinstance(function, str):
        raise TypeError(f"A function of node is file#export or package#export, got {function!r}")
    args, kwargs = tuple(options.get("args", ())), options.get("kwargs", {})
    target = _target(function, options, encode_arguments(options.get("encoding", "json"), args, kwargs), local)
    if "module_path" not in options and local:
        target.module_path.extend(default_module_path())
    return target


def _target(function: str, options: FunctionOptions, arguments: Payload, local: bool) -> FunctionTarget:
    return FunctionTarget(
        function=function,
        arguments=arguments,
        result_encoding=options.get("result_encoding", ""),
        module_path=[os.path.abspath(each) if local else each for each in options.get("module_path", ())],
    )


def _needs_main(target: FunctionTarget) -> bool:
    """The function, or something among the pickled arguments, is of this program's own file."""
    pickled = target.arguments.data if target.arguments.encoding == "pickle" else b""
    names = (b"__main__", WORKERS_MAIN.encode())
    return target.function.startswith(f"{WORKERS_MAIN}:") or any(name in pickled for name in names)


def _is_loading() -> bool:
    """This is a worker, or a zygote, whose function has not been called: one that started others without end."""
    runtime = sys.modules.get("_forkbus_zygote")
    return runtime is not None and runtime.current() is None
