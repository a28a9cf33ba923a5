"""Forking on request, and nothing else."""

from __future__ import annotations

import errno
import os
from time import monotonic_ns
from typing import NoReturn, Optional

from .forking import Fork
from .inherited import make_random_again
from .link import LINK_FD, RESULT_FD, Link
from .threads import other_threads

_ID_BYTES = 16
_LONGEST_REASON = 480


class Born:
    """A forked child that has been told to go; its files are in place but for its specification."""

    def __init__(self, link: Link, specification_fd: int) -> None:
        self.link = link
        self.specification_fd = specification_fd


def serve(link: Link, fork: Fork) -> Optional[Born]:
    """
    Forks workers until it is told to stop, or the link ends. In each child it returns as well: with what that was born as.
    """
    while True:
        packet, descriptors = link.receive()
        kind = packet[:1]
        if kind == b"F" and 1 <= len(descriptors) <= 2:
            born = _fork_one(link, packet[1 : 1 + _ID_BYTES], descriptors, fork)
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


def _fork_one(link: Link, id: bytes, descriptors: list[int], fork: Fork) -> Optional[Born]:
    asked = monotonic_ns()
    threads = other_threads()
    if threads:
        _refuse(link, id, errno.EBUSY, ", ".join(threads))
    else:
        try:
            child_end, *leaf = descriptors
            pid = fork(child_end, leaf[0] if leaf else -1, id, asked)
        except OSError as error:
            _refuse(link, id, error.errno or errno.EAGAIN, error.strerror or "")
        else:
            if pid == 0:
                return _begin(link)
    for each in descriptors:
        os.close(each)
    return None


def _refuse(link: Link, id: bytes, number: int, reason: str) -> None:
    text = reason.encode("utf-8", "replace")[:_LONGEST_REASON]
    link.send(b"X", id + number.to_bytes(4, "little") + text)


def _begin(server: Link) -> Born:
    """A child waits to be told to go. Whatever goes wrong here, its parent's code must not go on in it."""
    try:
        server.release()
        link = Link(LINK_FD)
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
        return Born(link, specification)
    except BaseException:
        _die()


def _die() -> NoReturn:
    import traceback

    traceback.print_exc()
    os._exit(1)
