"""Which descriptors are open, and which of them workers may not share without being asked."""

from __future__ import annotations

import os
import stat

from .link import RESULT_FD


def open_files() -> dict[int, str]:
    """By number, what /proc says they are; without 0 to 4, which every worker gets its own of."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number <= RESULT_FD:
            continue
        try:
            found[number] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # That was the listing itself.
    return found


def opened_since(before: dict[int, str]) -> dict[int, str]:
    return {number: what for number, what in open_files().items() if before.get(number) != what}


def not_kept(files: dict[int, str], keep: list[str]) -> list[str]:
    """
    Those that are not to be shared by accident: all but character devices and what libffi keeps. What is kept is named as /proc names it, or by
    its beginning and `*`.
    """
    return [
        what
        for number, what in sorted(files.items())
        if not _is_device(number) and not _is_of_libffi(what) and not _is_named(what, keep)
    ]


def _is_of_libffi(what: str) -> bool:
    """Where ctypes or cffi are used, libffi has its own code open, which nobody reads from."""
    return os.path.basename(what).startswith("libffi.so")


def _is_device(number: int) -> bool:
    try:
        return stat.S_ISCHR(os.fstat(number).st_mode)
    except OSError:
        return False


def _is_named(what: str, patterns: list[str]) -> bool:
    return any(what.startswith(each[:-1]) if each.endswith("*") else what == each for each in patterns)
