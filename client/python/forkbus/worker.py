"""What a worker is, asked inside it: by a function that forkbus calls, or by a program that it runs.

    from forkbus import worker

    def count(path):
        with worker.client().queue("counts", codec="json") as counts:
            counts.put([worker.name, path])

Nothing is read, loaded or opened before it is asked for, so that a module which is preloaded in a template may import
this. That goes for the attributes as well: read them as `worker.name` where they are needed, for every worker has its
own.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Client

    is_worker: bool
    """Whether this program is a worker of forkbus."""
    id: str
    """The uid of the process, without dashes. An AttributeError, as `name`, in a program that is no worker."""
    name: str
    """The name of the process, which `Client.attach` takes."""
    arguments: tuple[tuple[Any, ...], dict[str, Any]] | None
    """What the function was called with; None in a program, whose arguments are in `sys.argv`."""
    address: str
    """Of the daemon: `$FORKBUS_ADDRESS`, else that of this user's own."""
else:

    def __getattr__(name):
        read = _ATTRIBUTES.get(name)
        if read is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return read()


_client: Client | None = None
# Of parents: never to be closed, or collected, here.
_inherited: list[Client] = []
_opening = threading.Lock()


def client() -> Client:
    """The worker's own connection to its daemon: opened at the first call, the same one afterwards.

    It need not be closed. A worker that was forked from another opens one of its own.
    """
    global _client
    with _opening:
        if _client is None:
            from .connecting import connect

            _client = connect()
        return _client


def serve_forks() -> None:
    """Offers this worker for forking.

    From now on processes can be started with `fork_from`, which begin with all its state and call functions of their
    own. Returns when somebody has called `release` of the process; meanwhile nothing else runs here.

    The worker must have no other thread: the connection of `client()` is closed first, with all its queues. Raises
    RuntimeError, naming them, while there are others, and in a program that forkbus runs, which cannot be forked.
    """
    worker = _current()
    if worker is None:
        raise RuntimeError("Only a worker whose function forkbus calls can serve forks")
    _close()
    worker.serve_forks()


def _close() -> None:
    global _client
    with _opening:
        closing, _client = _client, None
    if closing is not None:
        closing.close()


def _forget() -> None:
    """In a child: a connection does not survive the fork, and a lock may be held by a thread that is not here."""
    global _client, _opening
    _opening = threading.Lock()
    if _client is not None:
        _inherited.append(_client)
        _client = None


os.register_at_fork(after_in_child=_forget)


def _current() -> Any:
    """What the program that forkbus runs in its zygotes and workers knows of this worker; None outside of those."""
    runtime = sys.modules.get("_forkbus_zygote")
    return None if runtime is None else runtime.current()


def _arguments() -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    worker = _current()
    if worker is None:
        return None
    arguments: tuple[tuple[Any, ...], dict[str, Any]] = worker.arguments
    return arguments


def _address() -> str:
    address = os.environ.get("FORKBUS_ADDRESS", "")
    if address != "":
        return address
    from .address import default_address

    return default_address(os.environ, os.getuid())


def _required(variable: str) -> str:
    value = os.environ.get(variable, "")
    if value == "":
        raise AttributeError(f"This program is not a worker of forkbus: {variable} is not set")
    return value


_ATTRIBUTES = {
    "is_worker": lambda: os.environ.get("FORKBUS_PROCESS_ID", "") != "",
    "id": lambda: _required("FORKBUS_PROCESS_ID"),
    "name": lambda: _required("FORKBUS_PROCESS"),
    "arguments": _arguments,
    "address": _address,
}
