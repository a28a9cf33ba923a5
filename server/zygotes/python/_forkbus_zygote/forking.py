"""Forking a worker that is the keeper's child, and not ours, with its first steps done."""

from __future__ import annotations

import os
from time import monotonic_ns
from typing import Callable, Optional

from .link import LINK_FD, Link
from .own_memory import OwnMemory
from .stdio import tell

# Takes the worker's end of its link, the directory of its leaf or -1, its id, and when it was asked for. Returns 0 in the child, which has its session, its
# id and its link by then, and has said `B`; its pid in the parent. Raises OSError where there is no child.
Fork = Callable[[int, int, bytes, int], int]

# Of the library: as in birth.h.
_VERSION = 1


def fork_through(library: Optional[str], memory: OwnMemory) -> Fork:
    """By the C library where that can be loaded; else by forking twice, which copies all page tables twice."""
    if library is not None:
        try:
            return _native_fork(library, memory)
        except (ImportError, OSError, AttributeError, ValueError) as error:
            tell(f"forkbus: {library} cannot be used, so that forks take longer: {error}\n")

    def fork(link: int, leaf: int, id: bytes, asked: int) -> int:
        return _fork_in_python(link, leaf, id, asked, memory)

    return fork


def _native_fork(library: str, memory: OwnMemory) -> Fork:
    import ctypes

    loaded = ctypes.PyDLL(library)
    version = ctypes.c_int.in_dll(loaded, "forkbus_fork_version").value
    if version != _VERSION:
        raise ImportError(f"its version is {version}, and not {_VERSION}")
    fork_worker = loaded.forkbus_fork_worker
    fork_worker.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_void_p]
    fork_worker.restype = ctypes.c_int
    before, after_in_parent, after_in_child = (
        getattr(ctypes.pythonapi, f"PyOS_{name}") for name in ("BeforeFork", "AfterFork_Parent", "AfterFork_Child")
    )
    for hook in (before, after_in_parent, after_in_child):
        hook.argtypes, hook.restype = [], None

    def fork(link: int, leaf: int, id: bytes, asked: int) -> int:
        place = memory.place_of_id()
        digits = id.hex().encode()
        before()
        pid = fork_worker(link, leaf, asked, digits, place)
        if pid == 0:
            after_in_child()
            return 0
        after_in_parent()
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return int(pid)

    return fork


def _fork_in_python(link: int, leaf: int, id: bytes, asked: int, memory: OwnMemory) -> int:
    pid = _fork_twice()
    if pid == 0:
        forked = monotonic_ns()
        os.setsid()
        memory.set_id(id)
        os.dup2(link, LINK_FD, inheritable=False)
        os.close(link)
        if leaf >= 0:
            os.close(leaf)
        own = Link(LINK_FD)
        own.send(b"B", asked.to_bytes(8, "little") + forked.to_bytes(8, "little"))
        own.release()
    return pid


def _fork_twice() -> int:
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
            os.close(reader)
            os.close(writer)
            while os.getppid() == middle:
                os.sched_yield()
            return 0
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
    return child
