"""Registers things with the interpreter that are to happen in workers, and one that is not."""

import atexit
import os
import signal
import tempfile

DIRECTORY = tempfile.TemporaryDirectory()
atexit.register(print, "goodbye of the preload")
os.register_at_fork(after_in_child=lambda: STATE.append("hook"))
STATE = []


def warm_up(*arguments):
    STATE.append(list(arguments))
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def state():
    return [STATE, os.path.isdir(DIRECTORY.name), DIRECTORY.name]
