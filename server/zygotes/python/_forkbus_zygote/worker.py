"""A worker from its specification to its end."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from time import monotonic_ns
from typing import Any, NoReturn, Optional

from . import worker_handle
from .ending import end_worker, exit_code_of
from .functions import call, call_by_name, decode_arguments, encode_result, resolve
from .inherited import disown_finalizers
from .lasting import lasting
from .link import Link
from .main_module import load_client_main
from .own_memory import OwnMemory
from .result_file import ResultFile, describe_exception
from .serving import fork_server
from .specialise import SPECIFICATION, StepError, specialise
from .specification import Specification, read_specification
from .stdio import flush_stdio, forget_input
from .threads import other_threads
from .tracebacks import begin_with_the_user
from .worker_handle import WorkerHandle


def adopt(link: Link, specification_fd: int, memory: OwnMemory) -> Specification:
    """Reads a specification and becomes what it says; says `E` and exits where it cannot."""
    try:
        try:
            spec = read_specification(specification_fd)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise StepError(SPECIFICATION, errno.EINVAL) from error
        specialise(spec, memory)
    except StepError as error:
        link.send(b"E", error.step.to_bytes(4, "little") + error.number.to_bytes(4, "little"))
        os._exit(1)
    link.send(b"S", monotonic_ns().to_bytes(8, "little"))
    return spec


def run_worker(spec: Specification, link: Link, memory: OwnMemory) -> NoReturn:
    result = ResultFile()
    try:
        value = _run_target(spec, link, memory)
        data = encode_result(spec.target.result_encoding, value)
    except SystemExit as exit:
        end_worker(exit_code_of(exit.code))
    except BaseException as error:
        _report_exception(spec, result, error)
        end_worker(1)
    written = result.write({"kind": "value", "encoding": spec.target.result_encoding}, data)
    end_worker(0 if written else 1)


def _run_target(spec: Specification, link: Link, memory: OwnMemory) -> Any:
    target = spec.target
    sys.argv[:] = [target.function]
    for module in spec.preload:
        importlib.import_module(module)
    if spec.init is not None:
        call_by_name(spec.init, spec.init_arguments)
    if spec.main_path is not None:
        load_client_main(spec.main_path)
    function = resolve(target.function)
    arguments, keywords = decode_arguments(target.encoding, spec.arguments)
    worker_handle.become(
        WorkerHandle(spec.id.hex(), spec.name, (arguments, keywords), lambda: _serve_forks(spec, link, memory))
    )
    link.send(b"L", monotonic_ns().to_bytes(8, "little"))
    return call(function, arguments, keywords)


def _serve_forks(spec: Specification, link: Link, memory: OwnMemory) -> None:
    threads = lasting(other_threads)
    if threads:
        raise RuntimeError(f"A process that serves forks must have no other threads, and this one has {', '.join(threads)}")
    flush_stdio()
    serve = fork_server(link, spec.fork_library, memory)
    link.send(b"R")
    born = serve(_nothing)
    if born is None:
        return
    # A child: below us on the stack is its parent's program, which must not go on here.
    try:
        forget_input()
        disown_finalizers()
        run_worker(adopt(link, born.specification_fd, memory), link, memory)
    except BaseException as error:
        print(f"forkbus: a forked worker failed: {error!r}", file=sys.stderr)
    finally:
        os._exit(1)


def _nothing() -> None:
    """Forks of a live worker are not kept warm."""


def _report_exception(spec: Specification, result: ResultFile, error: BaseException) -> None:
    import traceback

    begin_with_the_user(error)
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    pickled = _pickled(error) if spec.target.result_encoding == "pickle" else None
    line = {"kind": "exception", **describe_exception(error, trace), "encoding": "" if pickled is None else "pickle"}
    result.write(line, pickled or b"")
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException:
        sys.__excepthook__(type(error), error, error.__traceback__)


def _pickled(error: BaseException) -> Optional[bytes]:
    """None for one that does not survive it, as when its class is ours or asks for more than its arguments."""
    import pickle

    from .functions import LARGEST_RESULT

    try:
        data = pickle.dumps(error)
        return data if len(data) <= LARGEST_RESULT and isinstance(pickle.loads(data), type(error)) else None
    except Exception:
        return None

