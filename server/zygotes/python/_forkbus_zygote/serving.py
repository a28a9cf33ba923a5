"""Forking on request, and nothing else."""

from __future__ import annotations

import errno
from typing import Callable, Optional

from .born import Born, die, refuse
from .inherited import make_random_again
from .link import Link
from .own_memory import OwnMemory
from .stdio import flush_before_forks, flush_c_by, tell
from .threads import other_threads

# Forks workers until it is told to stop, or the link ends: None. In each child it returns as well. What it is given is
# called in children that are held until they are needed: so that they are warm by then.
Serve = Callable[[Callable[[], None]], Optional[Born]]


def fork_server(link: Link, library: Optional[str], memory: OwnMemory) -> Serve:
    """Through the library where that can be loaded; else in Python, which is slower, and forks twice."""
    serve = _server(link, library, memory)

    def serve_with_flushes(warm_up: Callable[[], None]) -> Optional[Born]:
        flush_before_forks(True)
        born = serve(warm_up)
        if born is None:
            flush_before_forks(False)
        return born

    return serve_with_flushes


def _server(link: Link, library: Optional[str], memory: OwnMemory) -> Serve:
    if library is not None:
        try:
            return _native_server(link, library, memory)
        except (ImportError, OSError, AttributeError, ValueError) as error:
            tell(f"forkbus: {library} cannot be used, so that forks take longer: {error}\n")
    from .plain_serving import serve_plainly

    return lambda _warm_up: serve_plainly(link, memory)


def _native_server(link: Link, library: str, memory: OwnMemory) -> Serve:
    from .native import HELD, THREADS, Native

    native = Native(library)
    memory.native = native
    flush_c_by(native.flush)

    def serve(warm_up: Callable[[], None]) -> Optional[Born]:
        while True:
            served = native.serve(memory.id_at)
            if served == THREADS:
                refuse(link, native.id_of_order(), errno.EBUSY, ", ".join(other_threads()) or "ending")
            elif served >= 0 or served == HELD:
                # Whatever goes wrong here, its parent's code must not go on in it.
                try:
                    make_random_again()
                    if served == HELD:
                        warm_up()
                        served = native.await_go()
                    return Born(served)
                except BaseException:
                    die()
            else:
                return None

    return serve
