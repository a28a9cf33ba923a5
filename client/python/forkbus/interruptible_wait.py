"""Waiting in a way that signals end."""

from __future__ import annotations

import threading

_LOOK_AROUND = 0.1


def wait_for(event: threading.Event) -> None:
    """Waits for as long as it takes, and raises what the handler of a signal raises.

    The kernel may deliver a signal to any thread. Python handles it in the main thread, which learns of it at once only
    if it was that one; so it looks around from time to time.
    """
    if threading.current_thread() is not threading.main_thread():
        event.wait()
        return
    while not event.wait(_LOOK_AROUND):
        pass
