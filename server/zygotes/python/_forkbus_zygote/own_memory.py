"""The two blocks that the kernel shows of a process: its command line and the environment it was started with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from .native import Native

_ID = b"FORKBUS_PROCESS_ID="
_ID_DIGITS = 32
# Fields 48 to 51 of /proc/PID/stat, counted from the one after the name.
_ARG_START, _ARG_END, _ENV_START, _ENV_END = 45, 46, 47, 48


class OwnMemory:
    """
    Where those blocks are, found once: forked children have them at the same addresses. Does nothing where it cannot be
    known.
    """

    def __init__(self) -> None:
        self.native: Optional[Native] = None
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        self._arguments = int(fields[_ARG_START]), int(fields[_ARG_END])
        # Where the variable with our id was when we were executed.
        self.id_at = self._find_id(int(fields[_ENV_START]), int(fields[_ENV_END]))

    def set_id(self, new: bytes) -> None:
        """Ours, as hex digits: the keeper knows its own by what is there."""
        # Something else may have taken the block over since: programs that set their title do.
        if self.id_at is not None and _read(self.id_at, len(_ID)) == _ID:
            _write(self.id_at + len(_ID), new.hex().encode())

    def set_title(self, title: str, name: str) -> None:
        start, end = self._arguments
        room = end - start if start else 0
        text = title.encode("utf-8", "replace").replace(b"\0", b" ")
        short = (name or title).encode("utf-8", "replace").replace(b"\0", b" ")
        if self.native is not None:
            self.native.set_title(start, room, text, short)
            return
        if room > 1:
            _write(start, text[: room - 1].ljust(room, b"\0"))
        with open("/proc/self/comm", "wb", 0) as comm:
            comm.write(short[:15])

    @staticmethod
    def _find_id(start: int, end: int) -> Optional[int]:
        block = _read(start, end - start) if start else b""
        at = 0 if block.startswith(_ID) else block.find(b"\0" + _ID) + 1
        if not block.startswith(_ID, at):
            return None
        value = block[at + len(_ID) :].partition(b"\0")[0]
        return start + at if len(value) == _ID_DIGITS else None


def _read(address: int, size: int) -> bytes:
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:
        return ctypes.string_at(address, size)
    with open("/proc/self/mem", "rb", 0) as memory:
        memory.seek(address)
        return memory.read(size)


def _write(address: int, content: bytes) -> None:
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:
        ctypes.memmove(address, content, len(content))
        return
    with open("/proc/self/mem", "r+b", 0) as memory:
        memory.seek(address)
        memory.write(content)
