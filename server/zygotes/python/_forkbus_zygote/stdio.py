"""The standard streams, Python's and C's."""

from __future__ import annotations

import io
import os
import sys
from typing import Callable


def flush_stdio() -> bool:
    """Whether all of it could be written. What is unwritten at a fork would be written twice."""
    flushed = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:
            flushed = False
    return _flush_c() == 0 and flushed


# The process whose forks are workers. Its children, which have other ids, fork as any program does.
_server = 0


def register_flush() -> None:
    """To be called before anybody else registers what is done before forks: the first comes last, and hooks may write."""
    os.register_at_fork(before=_flush_in_server)


def flush_before_forks(serves: bool) -> None:
    global _server
    _server = os.getpid() if serves else 0


def _flush_in_server() -> None:
    if _server == os.getpid():
        flush_stdio()


def _flush_by_name() -> int:
    try:
        import ctypes

        return int(ctypes.CDLL(None).fflush(None))
    except (ImportError, OSError, AttributeError):
        return 0  # A Python without ctypes: C's own streams are left to themselves.


_flush_c = _flush_by_name


def flush_c_by(flush: Callable[[], int]) -> None:
    """With less to look at than the way by its name."""
    global _flush_c
    _flush_c = flush


def tell(text: str) -> None:
    """On standard error, as far as there is one that takes it."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except Exception:
        pass  # There is nobody else to tell.


def write_lines_at_once() -> None:
    """Standard output goes to a file, and whoever follows it wants to see lines, not blocks of 8 KiB."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def forget_input() -> None:
    """What the parent of a fork has read ahead of its standard input is not ours."""
    old = sys.stdin
    if old is None or old is not sys.__stdin__ or not isinstance(old, io.TextIOWrapper):
        return
    raw = open(0, "rb", closefd=False)  # noqa: SIM115
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(raw, encoding=old.encoding, errors=old.errors)
