"""What a template's zygote is made of."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from .function_target import FunctionOptions, node_target, python_target
from .module_path import default_module_path
from .payload import Encoding
from .template import RUNTIME_NUMBERS, Runtime, Template
from .v1 import template_pb2 as wire
from .v1 import types_pb2


class TemplateOptions(TypedDict, total=False):
    """What is not given is the daemon's default."""

    runtime: Runtime
    """Default: `"python"`."""
    interpreter: str
    """Absolute, or a name looked up in PATH. Default: `python3` or `node` as the daemon is configured."""
    parent: Template | str
    """Template whose zygote this one is forked from, with everything it has loaded."""
    preload: Sequence[str]
    """Loaded in this order: names of modules in python, packages or absolute files in node."""
    init: str | Callable[..., object]
    """Called once in the zygote, after the preloads. What it computes is inherited by every worker."""
    init_args: Iterable[Any]
    init_kwargs: Mapping[str, Any]
    init_encoding: Encoding
    """Of its arguments. Default: `"pickle"` for python, `"json"` for node."""
    env: Mapping[str, str]
    """Added to the daemon's base environment, and to the parent's."""
    cwd: str
    """Absolute. Default: the parent's, else `/`."""
    run_as: str
    """User that the zygote and its workers run as."""
    preload_timeout: float
    """Seconds in which preloads and init must be done. Default: 60."""
    warm_workers: int
    """Workers kept forked in advance. Default: 0, and 1 while the template is in use."""
    module_path: Sequence[str]
    """Folders on the daemon's host in which preloads and `init` are looked for. Default: none over TCP; on this host
    those from which this program, and `init`, were loaded."""
    keep_fds: Sequence[str]
    """Files, pipes and sockets that preloads may leave open and that workers then share, such as `/var/log/app.log` or
    `socket:*`."""


def template_spec(options: TemplateOptions, local: bool) -> wire.TemplateSpec:
    """An option that there is not is a TypeError. `local`: on this host."""
    unknown = set(options) - set(TemplateOptions.__annotations__)
    if unknown:
        raise TypeError(f"A template has no option {', '.join(sorted(unknown))}")
    runtime = options.get("runtime", "python")
    if runtime not in RUNTIME_NUMBERS:
        raise ValueError(f"runtime is one of {', '.join(RUNTIME_NUMBERS)}, got {runtime!r}")
    if isinstance(options.get("preload"), str):
        raise TypeError(f"preload is a sequence of names, got {options['preload']!r}")
    parent = options.get("parent", "")
    spec = wire.TemplateSpec(
        runtime=RUNTIME_NUMBERS[runtime],
        interpreter=options.get("interpreter", ""),
        parent=parent if isinstance(parent, str) else parent.name,
        preload=options.get("preload"),
        init=_init(runtime, options, local),
        env=options.get("env"),
        working_dir=options.get("cwd", ""),
        preload_timeout_ms=round(options.get("preload_timeout", 0) * 1000),
        warm_workers=options.get("warm_workers", 0),
        keep_fds=options.get("keep_fds"),
    )
    spec.module_path.extend(_module_path(spec, options, local))
    if "run_as" in options:
        spec.run_as.user = options["run_as"]
    return spec


def _init(runtime: Runtime, options: TemplateOptions, local: bool) -> types_pb2.FunctionTarget | None:
    init = options.get("init")
    if init is None:
        return None
    call = FunctionOptions(args=options.get("init_args", ()), kwargs=options.get("init_kwargs", {}))
    if "init_encoding" in options:
        call["encoding"] = options["init_encoding"]
    if runtime == "python":
        target = python_target(init, call, local)
        if target.main_file != "":
            raise TypeError("A template outlives this program: put init, and what it is called with, into a module")
        return target
    if not isinstance(init, str):
        raise TypeError(f"A function of node is file#export or package#export, got {init!r}")
    return node_target(init, call, local)


def _module_path(spec: wire.TemplateSpec, options: TemplateOptions, local: bool) -> Sequence[str]:
    given = options.get("module_path")
    if given is not None:
        return [os.path.abspath(each) for each in given] if local else given
    return list(dict.fromkeys([*default_module_path(), *spec.init.module_path])) if local else []
