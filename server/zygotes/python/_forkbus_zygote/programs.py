"""Which processes this one has started that run."""

from __future__ import annotations

import os


def running_programs() -> list[str]:
    """Their names and pids. What has ended and nobody has waited for is not one of them."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return []
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                before, _, after = file.read().rpartition(")")
        except OSError:
            continue  # It has ended.
        state, parent = after.split()[:2]
        if int(parent) == os.getpid() and state not in "ZX":
            found.append(f"{before.partition('(')[2]} ({pid})")
    return found
