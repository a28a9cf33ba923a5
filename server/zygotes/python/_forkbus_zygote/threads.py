"""Which threads this process has besides its main one, as the kernel counts them."""

from __future__ import annotations

import os
import sys


def other_threads() -> list[str]:
    """Their names: Python's where it has one, else the kernel's. Empty for a single-threaded process."""
    tasks = os.listdir("/proc/self/task")
    if len(tasks) == 1:
        return []
    known = _python_names()
    main = os.getpid()
    return [_name(tid, known) for tid in sorted(map(int, tasks)) if tid != main]


def _python_names() -> dict[int, str]:
    threading = sys.modules.get("threading")
    if threading is None:
        return {}
    return {each.native_id: each.name for each in threading.enumerate() if each.native_id is not None}


def _name(tid: int, known: dict[int, str]) -> str:
    if tid in known:
        return known[tid]
    try:
        with open(f"/proc/self/task/{tid}/comm", encoding="utf-8", errors="replace") as comm:
            return f"{comm.read().strip()} (native, {tid})"
    except OSError:
        return f"ending (native, {tid})"
