"""What every worker does before its target, done when there is time for it. It changes nothing."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from .born import Born
from .functions import call, decode_arguments, encode_result, resolve
from .inherited import make_random_again
from .own_memory import OwnMemory
from .result_file import ResultFile
from .specialise import know_environment, specialise
from .specification import Specification, read_specification
from .stdio import flush_stdio
from .worker_handle import WorkerHandle

# More often than any interpreter looks at code before it adapts it.
_TIMES = 20


class Rehearsal:
    """In the zygote, so that the interpreter has nothing to adapt; in a child that waits, so that its pages are its own."""

    def __init__(self, spec: Specification, memory: OwnMemory) -> None:
        self._spec = spec
        self._memory = memory
        self._text = b""

    def until_adapted(self) -> None:
        self._text = self._specification()
        for _ in range(_TIMES):
            self.once()
            make_random_again()
            _rehearse_fork_hooks()

    def once(self) -> None:
        file = os.memfd_create("rehearsal")
        os.write(file, self._text)
        rehearsed = read_specification(Born(file).specification_fd)
        specialise(rehearsed, self._memory)
        ResultFile()
        target = rehearsed.target
        function = resolve(target.function)
        arguments, keywords = decode_arguments(target.encoding, rehearsed.arguments)
        WorkerHandle(rehearsed.id.hex(), rehearsed.name, (arguments, keywords), flush_stdio)
        encode_result(target.result_encoding, call(function, arguments, keywords))
        flush_stdio()
        know_environment()

    def _specification(self) -> bytes:
        spec = self._spec
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
        return len(text).to_bytes(4, "little") + text + b"[]"


def _rehearse_fork_hooks() -> None:
    """The dearest ones. For a process that has one thread they find all as it is."""
    for module, hook in (("threading", "_after_fork"), ("logging", "_after_at_fork_child_reinit_locks")):
        act = getattr(sys.modules.get(module), hook, None)
        if act is not None:
            act()
