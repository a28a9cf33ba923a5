"""Loading what a template names, and seeing that it can be forked afterwards."""

from __future__ import annotations

import importlib
import os
import traceback
from time import perf_counter_ns
from typing import Any, Callable, Optional

from .functions import call_by_name
from .lasting import lasting
from .open_files import not_kept, open_files, opened_since
from .programs import running_programs
from .result_file import cut, describe_exception
from .specification import Specification
from .stdio import tell
from .threads import other_threads
from .tracebacks import begin_with_the_user

# OpenBLAS starts a thread per CPU as soon as it is loaded, and workers have one CPU unless they ask for more.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


class PreloadError(Exception):
    """A template that cannot be forked, as its result file says it."""

    def __init__(self, module: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.line: dict[str, Any] = {
            "kind": "failed",
            "module": module,
            "exception": None,
            "message": cut(message),
            "threads": [],
            "openFiles": [],
            **more,
        }


class Loaded:
    """What has been loaded, in order, and which descriptors it left open."""

    def __init__(self, modules: list[dict[str, Any]], files: list[str]) -> None:
        self.modules = modules
        self.files = files


def load(spec: Specification) -> Loaded:
    """Raises PreloadError."""
    if not any(name in os.environ for name in _ONE_THREAD):
        os.environ[_ONE_THREAD[0]] = "1"
    before = open_files()
    modules: list[dict[str, Any]] = []
    threaded: Optional[str] = None
    starter: Optional[str] = None
    steps: list[tuple[str, Callable[[], object]]] = [
        (name, lambda name=name: importlib.import_module(name)) for name in spec.preload  # type: ignore[misc]
    ]
    if spec.init is not None:
        init = spec.init
        steps.append((init.function, lambda: call_by_name(init, spec.init_arguments)))
    for name, step in steps:
        modules.append({"name": name, "loadUs": _timed(name, step)})
        if threaded is None and other_threads():
            threaded = name
        if starter is None and running_programs():
            starter = name
    threads = lasting(other_threads)
    if threads:
        started = f"{threaded} started threads" if threaded is not None else "There are threads"
        message = f"{started}, and a process with threads cannot be forked: {', '.join(threads)}"
        raise PreloadError(threaded or "", message, threads=threads)
    programs = lasting(running_programs)
    if programs:
        started = f"{starter} started programs" if starter is not None else "There are programs"
        message = f"{started}, and workers, whose children they are not, could not wait for them: {', '.join(programs)}"
        raise PreloadError(starter or "", message)
    files = opened_since(before)
    refused = not_kept(files, spec.keep_fds)
    if refused:
        message = f"Files were left open that all workers would share, and keep_fds does not name: {', '.join(refused)}"
        raise PreloadError("", message, openFiles=refused)
    return Loaded(modules, [files[number] for number in sorted(files)])


def _timed(name: str, step: Callable[[], object]) -> int:
    start = perf_counter_ns()
    try:
        step()
    except BaseException as error:
        begin_with_the_user(error)
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        tell(trace)
        described = describe_exception(error, trace)
        raise PreloadError(name, f"{name} raised {described['type']}: {described['message']}", exception=described) from error
    return (perf_counter_ns() - start) // 1000
