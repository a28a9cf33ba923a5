"""What a forked child would share with its siblings by accident, made its own."""

from __future__ import annotations

import signal
import sys
import weakref

# A random node identifier has the multicast bit, a network card's never does.
_MULTICAST = 1 << 40
_UUID_CACHES = ("_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7", "_last_counter_v7")


def make_random_again() -> None:
    """New random numbers and names. `random` itself has seen to it when it learned of the fork."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and "numpy.random.mtrand" in sys.modules:
        numpy.random.seed()
    uuid = sys.modules.get("uuid")
    if uuid is not None:
        if uuid._node is not None and uuid._node & _MULTICAST:
            uuid._node = None
        for name in _UUID_CACHES:
            if hasattr(uuid, name):
                setattr(uuid, name, 0 if name == "_last_counter_v7" else None)


def reset_signals() -> None:
    """Handlers as in a fresh interpreter, but those that are not Python's own; and none blocked."""
    signal.set_wakeup_fd(-1)
    ignored = {signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals():
        now = signal.getsignal(number)
        if number in (signal.SIGKILL, signal.SIGSTOP) or now is None:
            continue
        normal = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        if number in ignored:
            normal = signal.SIG_IGN
        if now != normal:
            signal.signal(number, normal)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def disown_finalizers() -> None:
    """What is to be finalized at exit, such as temporary directories, is so by the process that made it."""
    for each in list(getattr(weakref.finalize, "_registry", ())):
        each.atexit = False
