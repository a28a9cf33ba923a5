"""What to run, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from .cpu_request import ExclusiveCpus, cpu_request
from .function_target import FunctionOptions, node_target, python_target
from .resource_limits import Limits, Rlimit, resource_limits
from .start_facts import METHOD_NUMBERS, StartMethod
from .v1 import process_pb2 as wire

if TYPE_CHECKING:
    from .process import Process
    from .template import Template


class ProcessOptions(FunctionOptions, total=False):
    """What runs, one of `argv`, `target`, `python` and `node`, and how; what is not given is the daemon's default."""

    argv: Sequence[str]
    """The program and its arguments."""
    target: Callable[..., object]
    """A function of this program, which a worker in Python finds by its name: see FunctionOptions."""
    python: str
    """A function in Python: `module:function`, with dots on either side where they are needed."""
    node: str
    """A function in JavaScript: `file#export` or `package#export`, relative to the first of `module_path`."""
    method: StartMethod
    """A fresh program, forked from the template's zygote, or forked from the live worker `fork_from`. Default: spawn
    for programs, fork where `fork_from` is given, else forkserver."""
    template: Template | str
    """Whose zygote it is forked from; its name, or what `Client.templates` gave. Default: `python` or `node`."""
    fork_from: Process | str
    """A process, or its name, that serves forks: see `forkbus.worker.serve_forks`."""
    path: str
    """The program, where it is another than `argv[0]`: absolute, or a name to look up in the worker's PATH."""
    name: str
    """Default: the daemon makes one."""
    env: Mapping[str, str]
    """Added to the daemon's base environment; this program's own environment is not passed on."""
    cwd: str
    """Absolute. Default: `/`."""
    labels: Mapping[str, str]
    cpus: int | Literal["all"] | Sequence[int] | ExclusiveCpus
    """A number: pinned to that many CPUs, those with the fewest workers. A sequence: pinned to these. `"all"` or 0: not
    pinned. `{"exclusive": 2}`: pinned to CPUs on which no other worker is. Default: 1."""
    rlimits: Mapping[str, Rlimit]
    """For each process of the tree, by the kernel's names, such as `RLIMIT_NOFILE`."""
    limits: Limits
    """For the tree as a whole."""
    umask: int
    """Default 0o022."""
    open_stdin: bool
    """Whether `stdin` is a pipe that can be written to. Default: /dev/null."""
    merge_stderr: bool
    """stderr goes where stdout goes, which keeps the exact order of both."""
    stdout: Literal["keep", "null"]
    """`"null"` throws the output away. Default: it is kept and can be read."""
    stderr: Literal["keep", "null"]
    on_exit: Literal["kill-tree", "wait-tree"]
    """What becomes of descendants when the worker itself exits. Default: they are killed."""
    run_as: str
    """User to run as, by name or number."""
    log_max_bytes: int
    """How much output is kept, for each of stdout and stderr."""
    stop_signal: str
    """How `stop` ends it unless it says otherwise."""
    grace: float
    """Seconds. Default: 10."""


_TARGETS = ("argv", "path", "target", "python", "node")


def process_message(options: ProcessOptions, local: bool) -> wire.Process:
    """The process to be made. An option that there is not is a TypeError. `local`: on this host."""
    unknown = set(options) - set(ProcessOptions.__annotations__)
    if unknown:
        raise TypeError(f"A process has no option {', '.join(sorted(unknown))}")
    spec = wire.ProcessSpec(
        start_method=_method_number(options.get("method")),
        template=_name_of(options.get("template", "")),
        fork_from=_name_of(options.get("fork_from", "")),
        env=options.get("env"),
        working_dir=options.get("cwd", ""),
        open_stdin=options.get("open_stdin", False),
        merge_stderr=options.get("merge_stderr", False),
        cpus=cpu_request(options.get("cpus")),
        on_exit=wire.ON_EXIT_WAIT_TREE if options.get("on_exit") == "wait-tree" else wire.ON_EXIT_KILL_TREE,
        stdout=_stdio_mode(options.get("stdout", "keep")),
        stderr=_stdio_mode(options.get("stderr", "keep")),
        limits=resource_limits(options.get("rlimits", {}), options.get("limits", {})),
        stop=stop_policy(options.get("stop_signal"), options.get("grace")),
        umask=options.get("umask"),
    )
    _set_target(spec, options, local)
    if "run_as" in options:
        spec.run_as.user = options["run_as"]
    if "log_max_bytes" in options:
        spec.log_retention.max_bytes = options["log_max_bytes"]
    return wire.Process(name=options.get("name", ""), labels=options.get("labels"), spec=spec)


def _method_number(method: StartMethod | None) -> wire.StartMethod.ValueType:
    if method is not None and method not in METHOD_NUMBERS:
        raise ValueError(f"method is one of {', '.join(METHOD_NUMBERS)}, got {method!r}")
    return wire.START_METHOD_UNSPECIFIED if method is None else METHOD_NUMBERS[method]


def _name_of(resource: Process | Template | str) -> str:
    return resource if isinstance(resource, str) else resource.name


def _set_target(spec: wire.ProcessSpec, options: ProcessOptions, local: bool) -> None:
    given = [name for name in _TARGETS if name in options]
    if len(given) > 1 and given != ["argv", "path"]:
        raise TypeError(f"A process runs one thing, got {' and '.join(given)}")
    if "target" in options:
        if not callable(options["target"]):
            raise TypeError(f"target is a function, got {options['target']!r}")
        spec.python.CopyFrom(python_target(options["target"], options, local))
    elif "python" in options:
        spec.python.CopyFrom(python_target(options["python"], options, local))
    elif "node" in options:
        spec.node.CopyFrom(node_target(options["node"], options, local))
    else:
        spec.exec.CopyFrom(_exec_target(options))


def _exec_target(options: ProcessOptions) -> wire.ExecTarget:
    misplaced = set(options) & set(FunctionOptions.__annotations__)
    if misplaced:
        raise TypeError(f"A program has no {', '.join(sorted(misplaced))}: that is for functions")
    argv = options.get("argv", ())
    if isinstance(argv, (str, bytes)):
        raise TypeError(f"argv is a sequence of the program and its arguments, got {argv!r}")
    return wire.ExecTarget(path=options.get("path", ""), argv=argv)


def stop_policy(stop_signal: str | None, grace: float | None) -> wire.StopPolicy:
    return wire.StopPolicy(signal=stop_signal or "", grace_ms=None if grace is None else round(grace * 1000))


def _stdio_mode(mode: Literal["keep", "null"]) -> wire.StdioMode.ValueType:
    return wire.STDIO_MODE_NULL if mode == "null" else wire.STDIO_MODE_FILE
