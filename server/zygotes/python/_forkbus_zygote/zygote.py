"""A zygote: loads what its template names, freezes it, and forks."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

from . import worker_handle
from .born import Born
from .inherited import disown_finalizers, reset_signals
from .link import Link
from .own_memory import OwnMemory
from .preloads import PreloadError, load
from .rehearsal import Rehearsal
from .result_file import ResultFile
from .serving import Serve
from .specification import Specification
from .stdio import flush_stdio


def run_zygote(spec: Specification, link: Link, serve: Serve, memory: OwnMemory) -> Born:
    """Returns in each forked child; the zygote itself exits with the link."""
    rehearsal = Rehearsal(spec, memory)
    _prepare(spec, rehearsal)
    link.send(b"R")
    born = serve(rehearsal.once)
    if born is None:
        _exit(0)
    return born


def _prepare(spec: Specification, rehearsal: Rehearsal) -> None:
    """Does all there is to do before the first fork, and leaves nothing behind that a child would have to free."""
    worker_handle.become(None)
    result = ResultFile()
    thresholds = gc.get_threshold()
    # Not gc.disable(): if a preload calls that, it means it.
    gc.set_threshold(0)
    try:
        loaded = load(spec)
    except PreloadError as error:
        result.write(error.line)
        _exit(1)
    if gc.get_threshold()[0] == 0:
        gc.set_threshold(*thresholds)
    reset_signals()
    disown_finalizers()
    reported = result.write(
        {
            "kind": "ready",
            "runtime": "{}.{}.{}".format(*sys.version_info[:3]),
            "modules": loaded.modules,
            "threads": [],
            "openFiles": loaded.files,
            "canFork": True,
            "why": "",
        }
    )
    if not reported:
        _exit(1)
    rehearsal.until_adapted()
    flush_stdio()
    # What lives now lives as long as we do: a collection in a child must not touch it, which would copy its pages.
    gc.collect()
    gc.freeze()


def _exit(code: int) -> NoReturn:
    """Without what is registered with atexit, and without waiting for threads: both belong to workers."""
    flush_stdio()
    os._exit(code)
