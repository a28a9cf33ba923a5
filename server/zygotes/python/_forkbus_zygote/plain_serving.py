"""Serving forks in Python alone, where there is no library for it."""

from __future__ import annotations

import errno
import os
from time import monotonic_ns
from typing import Optional

from .born import Born, die, refuse
from .inherited import make_random_again
from .link import LINK_FD, RESULT_FD, Link
from .own_memory import OwnMemory
from .stdio import flush_before_forks
from .threads import other_threads

_ID_BYTES = 16


def serve_plainly(link: Link, memory: OwnMemory) -> Optional[Born]:
    while True:
        packet, descriptors = link.receive()
        kind = packet[:1]
        if kind == b"F" and 1 <= len(descriptors) <= 2:
            born = _fork_one(link, packet[1 : 1 + _ID_BYTES], descriptors, memory)
            if born is not None:
                return born
            continue
        for each in descriptors:
            os.close(each)
        if kind == b"U":
            link.send(b"N")
            return None
        if kind == b"":
            return None


def _fork_one(link: Link, id: bytes, descriptors: list[int], memory: OwnMemory) -> Optional[Born]:
    asked = monotonic_ns()
    threads = other_threads()
    if threads:
        refuse(link, id, errno.EBUSY, ", ".join(threads))
    else:
        try:
            pid = _fork_twice()
        except OSError as error:
            refuse(link, id, error.errno or errno.EAGAIN, error.strerror or "")
        else:
            if pid == 0:
                return _begin(link, id, descriptors, asked, memory)
    for each in descriptors:
        os.close(each)
    return None


def _begin(link: Link, id: bytes, descriptors: list[int], asked: int, memory: OwnMemory) -> Born:
    """A child says that it is born, and waits to be told to go. Without a go it has never been."""
    try:
        forked = monotonic_ns()
        os.setsid()
        memory.set_id(id)
        os.dup2(descriptors[0], LINK_FD, inheritable=False)
        for each in descriptors:
            os.close(each)
        link.send(b"B", asked.to_bytes(8, "little") + forked.to_bytes(8, "little"))
        make_random_again()
        packet, files = link.receive()
        if packet != b"G" or len(files) != 5:
            os._exit(0)
        specification, result, *standard = files
        # By their numbers: what was the fork server's must never be free for a file of the user.
        os.dup2(result, RESULT_FD, inheritable=False)
        os.close(result)
        for number, file in enumerate(standard):
            os.dup2(file, number)
            os.close(file)
        return Born(specification)
    except BaseException:
        die()


def _fork_twice() -> int:
    """So that the child is the keeper's. 0 in it, else its pid; raises OSError where there is none."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        middle = os.getpid()
        flush_before_forks(True)
        try:
            child = os.fork()
        except OSError as error:
            os.write(writer, b"%d" % -(error.errno or 1))
            os._exit(1)
        if child == 0:
            os.close(reader)
            os.close(writer)
            while os.getppid() == middle:
                os.sched_yield()
            return 0
        os.write(writer, b"%d" % child)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb", 0) as answer:
        child = int(answer.read(32) or b"-4")
    try:
        os.waitpid(middle, 0)
    except ChildProcessError:
        pass  # SIGCHLD is ignored.
    if child < 0:
        raise OSError(-child, os.strerror(-child))
    return child
