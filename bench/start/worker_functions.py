"""What Python workers are asked to do, by forkbus and by its rivals alike."""

import sys
import time

PRELOADS = ("json", "asyncio", "email", "sqlite3", "unittest", "xml")


def first_line(path=None):
    """When it was called, on the monotonic clock of the machine; into a file when there is one."""
    now = time.monotonic_ns()
    missing = [name for name in PRELOADS if name not in sys.modules]
    if missing:
        raise RuntimeError(f"Not loaded in advance: {missing}")
    if path is not None:
        with open(path, "w") as file:
            file.write(str(now))
    return now


def nothing():
    pass


def idle():
    time.sleep(3600)
