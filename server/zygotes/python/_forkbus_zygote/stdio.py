"""The standard streams, Python's and C's."""

from __future__ import annotations

import io
import sys


def flush_stdio() -> bool:
    """Whether all of it could be written. What is unwritten at a fork would be written twice."""
    flushed = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:
            flushed = False
    try:
        import ctypes

        flushed = ctypes.CDLL(None).fflush(None) == 0 and flushed
    except (ImportError, OSError, AttributeError):
        pass  # A Python without ctypes: C's own streams are left to themselves.
    return flushed


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
