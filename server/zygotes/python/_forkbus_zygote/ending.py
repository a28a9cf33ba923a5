"""The end of a worker: as a Python program ends, but for tearing down what is shared with its siblings."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn

from .stdio import flush_stdio

# What Python itself exits with when its output cannot be flushed.
_UNFLUSHED = 120


def exit_code_of(code: object) -> int:
    """Of SystemExit, as the interpreter understands it."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def end_worker(code: int) -> NoReturn:
    """Waits for its threads, runs what is registered with atexit, and flushes; then there is no more process."""
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
    except BaseException:
        _report()
    try:
        atexit._run_exitfuncs()
    except BaseException:
        _report()
    if not flush_stdio() and code == 0:
        code = _UNFLUSHED
    os._exit(code)


def _report() -> None:
    kind, error, trace = sys.exc_info()
    if not isinstance(error, SystemExit):
        sys.__excepthook__(kind, error, trace)
