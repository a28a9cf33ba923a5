"""What every worker does before its target, done in the zygote a few times: the interpreter then has nothing to adapt."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from .functions import call, decode_arguments, encode_result, resolve
from .inherited import make_random_again
from .own_memory import OwnMemory
from .specialise import specialise
from .specification import Specification, read_specification

# More often than any interpreter looks at code before it adapts it.
_TIMES = 20


def _rehearse_fork_hooks() -> None:
    """The dearest ones. For a process that has one thread they find all as it is."""
    for module, hook in (("threading", "_after_fork"), ("logging", "_after_at_fork_child_reinit_locks")):
        act = getattr(sys.modules.get(module), hook, None)
        if act is not None:
            act()


def rehearse(spec: Specification, memory: OwnMemory) -> None:
    """Changes nothing: the zygote becomes what it is."""
    fields: dict[str, Any] = {
        "kind": "worker",
        "id": spec.id.hex(),
        "name": spec.name,
        "title": spec.title,
        "env": dict(os.environ),
        "workingDir": None,
        "umask": None,
        "cpus": None,
        "rlimits": [],
        "searchPath": [],
        "preload": [],
        "init": None,
        "target": {"function": "os:getpid", "encoding": "json", "resultEncoding": "json"},
        "mainPath": None,
        "forkLibrary": spec.fork_library,
    }
    text = json.dumps(fields).encode()
    for _ in range(_TIMES):
        file = os.memfd_create("rehearsal")
        os.write(file, len(text).to_bytes(4, "little") + text + b"[]")
        rehearsed = read_specification(file)
        specialise(rehearsed, memory)
        make_random_again()
        _rehearse_fork_hooks()
        target = rehearsed.target
        arguments, keywords = decode_arguments(target.encoding, rehearsed.arguments)
        encode_result(target.result_encoding, call(resolve(target.function), arguments, keywords))
