"""The library beside the interpreter: what a fork server does in C, because each page that Python touches is copied."""

from __future__ import annotations

import ctypes
from typing import Optional

# What library and these declarations agree on: server/native/fork/serve.h.
_VERSION = 2

ENDED, RELEASED, THREADS, HELD = range(-1, -5, -1)


class _Interpreter(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p)
        for name in (
            "before_fork",
            "after_fork_in_parent",
            "after_fork_in_child",
            "run_signal_handlers",
            "release",
            "acquire",
            "id_in_environment",
        )
    ]


_HOOKS = (
    "PyOS_BeforeFork",
    "PyOS_AfterFork_Parent",
    "PyOS_AfterFork_Child",
    "PyErr_CheckSignals",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
)


class Native:
    """Raises ImportError, OSError, AttributeError or ValueError for a library that cannot be used."""

    def __init__(self, path: str) -> None:
        library = ctypes.PyDLL(path)
        version = ctypes.c_int32.in_dll(library, "forkbus_fork_version").value
        if version != _VERSION:
            raise ImportError(f"its version is {version}, and not {_VERSION}")
        hooks = [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in _HOOKS]
        self._interpreter = _Interpreter(*hooks, None)
        self._serve = library.forkbus_serve
        self._serve.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self.await_go = library.forkbus_await_go
        self._set_title = library.forkbus_set_title
        self._set_title.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_char_p]
        self._set_title.restype = None
        self.flush = library.forkbus_flush
        self._id = ctypes.create_string_buffer(16)

    def serve(self, id_in_environment: Optional[int]) -> int:
        """One of the above; in a child that may go its specification. What a handler of a signal raises is raised here."""
        self._interpreter.id_in_environment = id_in_environment
        return int(self._serve(ctypes.addressof(self._interpreter), self._id))

    def id_of_order(self) -> bytes:
        """That of the last one."""
        return self._id.raw

    def set_title(self, arguments: int, room: int, title: bytes, name: bytes) -> None:
        self._set_title(arguments, room, title, name)
