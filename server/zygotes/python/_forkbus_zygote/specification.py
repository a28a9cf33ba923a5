"""What a process is to become, as the daemon wrote it."""

from __future__ import annotations

import base64
import json
import os
from typing import Any, Optional


class Function:
    """A function by name, and how its arguments and its result are encoded."""

    __slots__ = ("encoding", "function", "result_encoding")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.function: str = fields["function"]
        self.encoding: str = fields["encoding"]
        self.result_encoding: str = fields["resultEncoding"]


class Specification:
    """Of a worker or a zygote; `kind` says which. Raises KeyError, ValueError or TypeError for what it is not."""

    __slots__ = (
        "arguments",
        "cpus",
        "env",
        "fork_library",
        "id",
        "inherit",
        "init",
        "init_arguments",
        "keep_fds",
        "kind",
        "main_path",
        "name",
        "preload",
        "rlimits",
        "search_path",
        "target",
        "title",
        "umask",
        "working_dir",
    )

    def __init__(self, fields: dict[str, Any], arguments: bytes) -> None:
        self.kind: str = fields["kind"]
        if self.kind not in ("worker", "zygote"):
            raise ValueError(f"No process is a {self.kind}")
        self.id: bytes = bytes.fromhex(fields["id"])
        self.name: str = fields["name"]
        self.title: str = fields["title"]
        self.env: Optional[dict[str, str]] = fields["env"]
        self.inherit: bool = fields.get("inherit", False)
        self.working_dir: Optional[str] = fields["workingDir"]
        self.umask: Optional[int] = fields["umask"]
        self.cpus: Optional[list[int]] = fields["cpus"]
        self.rlimits: list[tuple[int, Optional[str], Optional[str]]] = fields["rlimits"]
        self.search_path: list[str] = fields["searchPath"]
        self.preload: list[str] = fields["preload"]
        self.init = None if fields["init"] is None else Function(fields["init"])
        self.fork_library: Optional[str] = fields.get("forkLibrary")
        if self.kind == "worker":
            self.target = Function(fields["target"])
            self.main_path: Optional[str] = fields.get("mainPath")
            self.arguments = arguments
            init_arguments = b"" if self.init is None else base64.b64decode(fields["init"].get("data", ""))
        else:
            self.keep_fds: list[str] = fields["keepFds"]
            init_arguments = arguments
        self.init_arguments: bytes = init_arguments


# Without what json.loads() does around it: each object that is looked at is a page to be copied.
_parse = json.JSONDecoder().scan_once


def read_specification(descriptor: int) -> Specification:
    """Reads and closes a specification's file, wherever its offset is."""
    content = os.pread(descriptor, os.lseek(descriptor, 0, os.SEEK_END), 0)
    os.close(descriptor)
    length = int.from_bytes(content[:4], "little")
    if len(content) < 4 + length:
        raise ValueError(f"A specification of {length} bytes ends after {len(content) - 4}")
    text = content[4 : 4 + length].decode()
    try:
        fields, end = _parse(text, 0)
    except StopIteration:
        end = 0
    if end != len(text):
        raise ValueError("A specification that is not JSON")
    return Specification(fields, content[4 + length :])
