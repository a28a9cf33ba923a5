"""What to run, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from .v1 import process_pb2 as wire


class Rlimit(TypedDict, total=False):
    """What is not given, or None, means unlimited."""

    soft: int | None
    hard: int | None


class ProcessOptions(TypedDict, total=False):
    """What is not given is the daemon's default."""

    argv: Sequence[str]
    """The program and its arguments."""
    path: str
    """The program, where it is another than `argv[0]`: absolute, or a name to look up in the worker's PATH."""
    name: str
    """Default: the daemon makes one."""
    env: Mapping[str, str]
    """Added to the daemon's base environment; this program's own environment is not passed on."""
    cwd: str
    """Absolute. Default: `/`."""
    labels: Mapping[str, str]
    cpus: int | Literal["all"] | Sequence[int]
    """A number: pinned to that many CPUs, those with the fewest workers. A sequence: pinned to these. `"all"` or 0: not
    pinned. Default: 1."""
    rlimits: Mapping[str, Rlimit]
    """By the kernel's names, such as `RLIMIT_NOFILE`."""
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


def process_message(options: ProcessOptions) -> wire.Process:
    """The process to be made. An option that there is not is a TypeError."""
    unknown = set(options) - set(ProcessOptions.__annotations__)
    if unknown:
        raise TypeError(f"A process has no option {', '.join(sorted(unknown))}")
    argv = options.get("argv", ())
    if isinstance(argv, (str, bytes)):
        raise TypeError(f"argv is a sequence of the program and its arguments, got {argv!r}")
    spec = wire.ProcessSpec(
        exec=wire.ExecTarget(path=options.get("path", ""), argv=argv),
        env=options.get("env"),
        working_dir=options.get("cwd", ""),
        open_stdin=options.get("open_stdin", False),
        merge_stderr=options.get("merge_stderr", False),
        cpus=_cpu_request(options),
        on_exit=wire.ON_EXIT_WAIT_TREE if options.get("on_exit") == "wait-tree" else wire.ON_EXIT_KILL_TREE,
        stdout=_stdio_mode(options.get("stdout", "keep")),
        stderr=_stdio_mode(options.get("stderr", "keep")),
        limits=wire.ResourceLimits(rlimits=_rlimits(options.get("rlimits", {}))),
        stop=stop_policy(options.get("stop_signal"), options.get("grace")),
        umask=options.get("umask"),
    )
    if "run_as" in options:
        spec.run_as.user = options["run_as"]
    if "log_max_bytes" in options:
        spec.log_retention.max_bytes = options["log_max_bytes"]
    return wire.Process(name=options.get("name", ""), labels=options.get("labels"), spec=spec)


def stop_policy(stop_signal: str | None, grace: float | None) -> wire.StopPolicy:
    return wire.StopPolicy(signal=stop_signal or "", grace_ms=None if grace is None else round(grace * 1000))


def _cpu_request(options: ProcessOptions) -> wire.CpuRequest:
    cpus = options.get("cpus")
    if cpus is None:
        return wire.CpuRequest()
    if cpus == "all" or cpus == 0:
        return wire.CpuRequest(policy=wire.CPU_POLICY_NONE)
    if isinstance(cpus, int):
        return wire.CpuRequest(policy=wire.CPU_POLICY_SHARED, count=cpus)
    if isinstance(cpus, str):
        raise ValueError(f"cpus is a number, a sequence of numbers or 'all', got {cpus!r}")
    return wire.CpuRequest(policy=wire.CPU_POLICY_EXPLICIT, cpus=cpus)


def _stdio_mode(mode: Literal["keep", "null"]) -> wire.StdioMode.ValueType:
    return wire.STDIO_MODE_NULL if mode == "null" else wire.STDIO_MODE_FILE


def _rlimits(limits: Mapping[str, Rlimit]) -> list[wire.Rlimit]:
    return [
        wire.Rlimit(resource=resource, soft=limit.get("soft"), hard=limit.get("hard"))
        for resource, limit in limits.items()
    ]
