"""What a Python fork server and its workers run. Standard library only, CPython 3.9 to 3.14.

For libraries inside a worker there is `current()`; everything else is private to forkbus.
"""

from .worker_handle import WorkerHandle, current

__all__ = ["WorkerHandle", "current"]
