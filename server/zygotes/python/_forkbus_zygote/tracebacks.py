"""Tracebacks as their reader wants them: without what is ours."""

from __future__ import annotations

import importlib
import os
from types import TracebackType
from typing import Optional

_NOT_THEIRS = (os.path.dirname(__file__), os.path.dirname(importlib.__file__), "<frozen importlib")


def begin_with_the_user(error: BaseException) -> None:
    """Of an exception, and of those that it came from: each traceback begins where it leaves our own code, and importlib's."""
    seen: set[int] = set()
    pending: list[Optional[BaseException]] = [error]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = _of_the_user(each.__traceback__)
        pending += [each.__cause__, each.__context__]


def _of_the_user(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_NOT_THEIRS):
        trace = trace.tb_next
    return trace
