"""A fork whose child is the keeper's, and not ours."""

from __future__ import annotations

import os
from time import monotonic_ns
from typing import Callable, Optional

# Returns 0 and the time of the child's first instruction in the child, and its pid and 0 in the parent; raises OSError
# where there is no child.
Fork = Callable[[], "tuple[int, int]"]


def fork_through(library: Optional[str]) -> Fork:
    """By the C library where that can be loaded; else by forking twice, which copies all page tables twice."""
    if library is None:
        return _fork_twice
    try:
        return _native_fork(library)
    except (ImportError, OSError, AttributeError):
        return _fork_twice


def _native_fork(library: str) -> Fork:
    import ctypes

    fork = ctypes.PyDLL(library).forkbus_fork
    before, after_in_parent, after_in_child = (
        getattr(ctypes.pythonapi, f"PyOS_{name}") for name in ("BeforeFork", "AfterFork_Parent", "AfterFork_Child")
    )
    for hook in (before, after_in_parent, after_in_child):
        hook.argtypes, hook.restype = [], None
    fork.argtypes, fork.restype = [], ctypes.c_int

    def call() -> tuple[int, int]:
        before()
        pid = fork()
        if pid == 0:
            now = monotonic_ns()
            after_in_child()
            return 0, now
        after_in_parent()
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid, 0

    return call


def _fork_twice() -> tuple[int, int]:
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        middle = os.getpid()
        try:
            child = os.fork()
        except OSError as error:
            os.write(writer, b"%d" % -(error.errno or 1))
            os._exit(1)
        if child == 0:
            now = monotonic_ns()
            os.close(reader)
            os.close(writer)
            while os.getppid() == middle:
                os.sched_yield()
            return 0, now
        os.write(writer, b"%d" % child)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb", 0) as answer:
        child = int(answer.read(32) or b"-4")
    try:
        os.waitpid(middle, 0)
    except ChildProcessError:
        pass  # SIGCHLD is ignored.
    if child < 0:
        raise OSError(-child, os.strerror(-child))
    return child, 0
