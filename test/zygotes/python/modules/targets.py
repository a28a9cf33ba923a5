"""What the tests have workers call."""

import asyncio
import atexit
import ctypes
import os
import random
import resource
import signal
import sys
import tempfile
import threading
import time
import uuid

CALLS = []


class Nested:
    @staticmethod
    def double(value):
        return 2 * value


class Odd(Exception):
    """Cannot be unpickled: it asks for more than its arguments."""

    def __init__(self, one, two):
        super().__init__(one)


def echo(*arguments, **keywords):
    return [list(arguments), keywords]


def size(data):
    return len(data)


def give_back(data):
    return data


async def later(value):
    await asyncio.sleep(0.01)
    return value


def refuse(text):
    raise ValueError(text)


def raise_odd():
    raise Odd(1, 2)


def blob(length):
    return b"x" * length


def unserialisable():
    return object()


def lock():
    return threading.Lock()


def leave(code):
    sys.exit(code)


def leave_with_thread():
    print("begin")

    def work():
        time.sleep(0.05)
        print("thread")

    threading.Thread(target=work).start()
    atexit.register(print, "atexit")
    print("returned", end="")


def read(path):
    with open(path) as file:
        return file.read()


def files():
    """Without the one that libffi has of itself, with some versions of it."""
    found = {int(name): "" for name in os.listdir("/proc/self/fd")}
    for number in list(found):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            del found[number]
    return sorted(number for number, what in found.items() if "libffi" not in what)


def surroundings():
    return {
        "argv": sys.argv,
        "main": sorted(name for name in vars(sys.modules["__main__"]) if not name.startswith("__")),
        "path": sys.path,
        "cwd": os.getcwd(),
        "env": dict(os.environ),
        "session": os.getsid(0),
        "umask": os.umask(0),
        "cpus": sorted(os.sched_getaffinity(0)),
        "files": files(),
        "cmdline": read("/proc/self/cmdline").rstrip("\0"),
        "comm": read("/proc/self/comm").strip(),
        "initial": read("/proc/self/environ").split("\0"),
        "signals": {
            name: str(signal.getsignal(getattr(signal, name))) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGPIPE")
        },
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "collectors": sys.modules["gc"].isenabled() if "gc" in sys.modules else True,
    }


def unique():
    state = [random.random(), uuid.uuid4().hex, uuid.uuid1().hex, tempfile.mktemp(), os.urandom(8).hex()]
    return state


def end_as(kind, number):
    if kind == "signal":
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        time.sleep(60)
    if kind == "exit":
        os._exit(number)
    sys.exit(number)


def wait_for_signal():
    signal.pause()


def read_line():
    return sys.stdin.readline()


def handle():
    import _forkbus_zygote

    worker = _forkbus_zygote.current()
    return [worker.id, worker.name, worker.arguments[0], worker.arguments[1]]


def give_up_files():
    os.closerange(3, 100)
    with open(os.environ["DATABASE"], "w") as first, open(os.environ["DATABASE"] + "2", "w"):
        first.write("mine")
        return first.fileno()


def serve(start_thread=False):
    import _forkbus_zygote

    CALLS.append("served")
    release = threading.Event()
    if start_thread:
        threading.Thread(target=release.wait, name="busy-bee").start()
    try:
        _forkbus_zygote.current().serve_forks()
    finally:
        release.set()
        CALLS.append("returned")
    return CALLS


def serve_as_somebody_else():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    return serve()


def processors(cpus):
    """On which the C library says that it is, when it may be on these alone."""
    seen = []
    for cpu in cpus:
        os.sched_setaffinity(0, [cpu])
        seen.append(ctypes.CDLL(None).sched_getcpu())
    return seen


def calls():
    CALLS.append("forked")
    return CALLS


def usr1(*_arguments):
    CALLS.append("usr1")


def handles_usr1():
    signal.signal(signal.SIGUSR1, usr1)
    return serve()


def start_thread(*_arguments):
    threading.Thread(target=threading.Event().wait, name="busy-bee", daemon=True).start()


def starts_a_thread_later():
    signal.signal(signal.SIGUSR1, start_thread)
    return serve()


def allow_no_processes():
    """Root has no such limit, so it becomes somebody else."""
    if os.getuid() == 0:
        os.setresuid(65533, 65533, 65533)
        # Or /proc/self would still be root's.
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))


def log_and_store(path):
    import sqlite3

    import preload_logging

    database = sqlite3.connect(path)
    database.execute("create table t (x integer)")
    for number in range(100):
        preload_logging.log.warning("line %d of %d", number, os.getpid())
        database.execute("insert into t values (?)", (number,))
        database.commit()
    [[total]] = database.execute("select sum(x) from t")
    [[verdict]] = database.execute("pragma integrity_check")
    return [total, verdict]
