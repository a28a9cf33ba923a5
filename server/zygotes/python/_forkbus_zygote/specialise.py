"""Becoming what a specification says, before any code of the user runs."""

from __future__ import annotations

import errno
import os
import resource
import sys
import time
from typing import Any, Callable, Optional

from .own_memory import OwnMemory
from .specification import Specification

_RLIMIT, _AFFINITY, _CWD, SPECIFICATION = 7, 8, 10, 14


# The environment as it is, if that is known.
_known: Optional[dict[str, str]] = None


class StepError(Exception):
    """The step that failed, as the keeper numbers them, and the errno."""

    def __init__(self, step: int, number: int) -> None:
        super().__init__(step, number)
        self.step = step
        self.number = number


def specialise(spec: Specification, memory: OwnMemory) -> None:
    """Raises StepError."""
    for number, soft, hard in spec.rlimits:
        limits = _limit(soft), _limit(hard)
        _step(_RLIMIT, resource.prlimit, 0, number, limits)
    if spec.cpus is not None:
        _step(_AFFINITY, os.sched_setaffinity, 0, spec.cpus)
    if spec.working_dir is not None:
        _step(_CWD, os.chdir, spec.working_dir)
    if spec.umask is not None:
        _step(SPECIFICATION, os.umask, spec.umask)
    if spec.env is not None:
        _step(SPECIFICATION, _set_environment, spec.env, spec.inherit)
    _step(SPECIFICATION, memory.set_title, spec.title, spec.name)
    put_first(spec.search_path)


def _limit(value: Optional[str]) -> int:
    return resource.RLIM_INFINITY if value is None else int(value)


def _step(step: int, act: Callable[..., Any], *arguments: Any) -> None:
    try:
        act(*arguments)
    except OSError as error:
        raise StepError(step, error.errno or errno.EINVAL) from error
    except (ValueError, OverflowError, TypeError) as error:
        raise StepError(step, errno.EINVAL) from error


def know_environment() -> None:
    """Remembers what it is now, for the children of a process that will not change it any more."""
    global _known
    _known = _environment()


def _environment() -> dict[str, str]:
    return {os.fsdecode(name): os.fsdecode(value) for name, value in os.environb._data.items()}


def _set_environment(env: dict[str, str], inherit: bool) -> None:
    global _known
    now = _environment() if _known is None else _known
    _known = None
    variables = os.environb._data
    changed = [name for name, value in env.items() if now.get(name) != value]
    gone = [] if inherit else [name for name in now if name not in env]
    # Only what differs is touched: each object that is looked at is a page to be copied.
    for name in changed:
        os.putenv(name, env[name])
        variables[os.fsencode(name)] = os.fsencode(env[name])
    for name in gone:
        os.unsetenv(name)
        del variables[os.fsencode(name)]
    if "TZ" in changed or "TZ" in gone:
        time.tzset()
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None and not {"TMPDIR", "TEMP", "TMP"}.isdisjoint(changed + gone):
        # What it remembers is the answer for another environment.
        tempfile.tempdir = None


def put_first(folders: list[str]) -> None:
    """Before everything else in sys.path, in this order."""
    if not folders or sys.path[: len(folders)] == folders:
        return
    sys.path[:] = folders + [each for each in sys.path if each not in folders]
    for folder in folders:
        # What was seen there, or not there, may be long ago.
        sys.path_importer_cache.pop(folder, None)
