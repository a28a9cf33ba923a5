"""What a process says at its end, in the file that the keeper gave it."""

from __future__ import annotations

import json
import os
from typing import Any, Optional

from .link import RESULT_FD
from .stdio import tell

_LONGEST_TEXT = 64 * 1024
_BRIEF = 256
_NOTHING_MORE: dict[str, Any] = {"kind": "failed", "exception": None, "threads": [], "openFiles": []}


class ResultFile:
    """The file at its number, for as long as it is there: a program may have closed it and opened another."""

    def __init__(self) -> None:
        self._identity = _identity()

    def write(self, line: dict[str, Any], data: bytes = b"") -> bool:
        """False where there is no room for it: then the file has only that, or nothing."""
        if self._identity is None or _identity() != self._identity:
            tell("forkbus: the result is lost, because the program closed descriptor 4\n")
            return True
        try:
            _put(line, data)
            return True
        except OSError as error:
            why = f"could not be written: {error.strerror}"
        tell(f"forkbus: the result {why}\n")
        try:
            os.ftruncate(RESULT_FD, 0)
            _put(_in_brief(line, why))
        except OSError:
            pass  # What is not finished counts as none.
        return False


def _put(line: dict[str, Any], data: bytes = b"") -> None:
    content = json.dumps({**line, "bytes": len(data)}).encode() + b"\n" + data
    written = 0
    while written < len(content):
        written += os.pwrite(RESULT_FD, content[written:], written)


def _in_brief(line: dict[str, Any], why: str) -> dict[str, Any]:
    """What is left to say where there is hardly any room."""
    if line["kind"] == "exception":
        return {**line, "message": line["message"][:_BRIEF], "traceback": "", "encoding": ""}
    if line["kind"] == "value":
        message = f"What the function returned {why}"
        return {"kind": "exception", "type": "ResultLost", "message": message, "traceback": "", "encoding": ""}
    message = line.get("message", f"Its report {why}")[:_BRIEF]
    return {**_NOTHING_MORE, "module": line.get("module", ""), "message": message}


def _identity() -> Optional[tuple[int, int]]:
    try:
        status = os.fstat(RESULT_FD)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def describe_exception(error: BaseException, trace: str) -> dict[str, str]:
    """Type, message and traceback, each cut to what a result may hold."""
    return {"type": type_name(error), "message": cut(message_of(error)), "traceback": cut_front(trace)}


def type_name(error: BaseException) -> str:
    """As Python's tracebacks say it."""
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "<an exception that has no text>"


def cut(text: str) -> str:
    return text.encode("utf-8", "replace")[:_LONGEST_TEXT].decode("utf-8", "ignore")


def cut_front(text: str) -> str:
    """The end of a traceback says more than its beginning."""
    return text.encode("utf-8", "replace")[-_LONGEST_TEXT:].decode("utf-8", "ignore")
