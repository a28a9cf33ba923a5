"""What the daemon says of a template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .exit import parse_time
from .v1 import template_pb2 as wire
from .v1 import types_pb2

Runtime = Literal["python", "node"]
TemplateState = Literal["starting", "ready", "failed", "idle", "unknown"]

RUNTIME_NUMBERS: Mapping[Runtime, types_pb2.Runtime.ValueType] = {
    "python": types_pb2.RUNTIME_PYTHON,
    "node": types_pb2.RUNTIME_NODE,
}

_RUNTIMES: Mapping[int, Runtime] = {number: runtime for runtime, number in RUNTIME_NUMBERS.items()}

_STATES: Mapping[int, TemplateState] = {
    wire.TEMPLATE_STATE_STARTING: "starting",
    wire.TEMPLATE_STATE_READY: "ready",
    wire.TEMPLATE_STATE_FAILED: "failed",
    wire.TEMPLATE_STATE_IDLE: "idle",
}


@dataclass(frozen=True, kw_only=True)
class TemplateFailure:
    """Why a zygote could not be made."""

    message: str
    """One English sentence."""
    module: str
    """The preload or init function that failed; empty when it was neither."""
    exception: str
    """What it raised: its class, or its class and message; empty when it hung, exited or left something behind."""
    traceback: str
    threads: Sequence[str]
    """Threads that were left running, by name."""
    open_files: Sequence[str]
    """Files, pipes and sockets that were left open and are not in `keep_fds`."""
    stderr_tail: str


@dataclass(frozen=True, kw_only=True)
class LoadedModule:
    """A preload, and how long it took with everything that it loaded in turn."""

    name: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ZygoteReport:
    """What a zygote has inside."""

    pid: int
    ready_time: datetime | None
    runtime_version: str
    """Such as `3.11.7`."""
    modules: Sequence[LoadedModule]
    threads: Sequence[str]
    open_files: Sequence[str]
    rss_bytes: int
    """0 where the daemon may not look."""
    pss_bytes: int
    """The same, with shared pages counted by their share."""
    forks: int
    """Workers forked since it is ready."""
    stdout_tail: str
    stderr_tail: str


@dataclass(frozen=True, kw_only=True)
class Template:
    """A recipe for a zygote, and how it is, when this was asked for."""

    name: str
    uid: str
    """Never reused, unlike the name."""
    labels: Mapping[str, str]
    create_time: datetime | None
    owner: str
    runtime: Runtime | Literal["unknown"]
    interpreter: str
    parent: str
    """The template that it is forked from; empty: none."""
    preload: Sequence[str]
    init: str
    """Function that is called after the preloads; empty: none."""
    env: Mapping[str, str]
    cwd: str
    run_as: str
    preload_timeout: float
    warm_workers: int
    """How many are to be kept forked in advance."""
    module_path: Sequence[str]
    keep_fds: Sequence[str]
    state: TemplateState
    """`"idle"`: a built-in template whose zygote nobody has needed yet."""
    serving_generation: int
    """The one that new workers come from; 0 before the first is ready."""
    newest_generation: int
    """Of the newest specification, counted from 1."""
    failure: TemplateFailure | None
    """Why the newest generation failed; an older one may serve all the same."""
    report: ZygoteReport | None
    """Of the zygote that serves; None in lists."""
    spawn_fallback: str
    """Not empty when this template cannot be forked on its host: its processes are then spawned, and this says why."""
    warm_workers_ready: int
    zygote_restarts: int
    """How many times the zygote died and was started again."""
    latest: wire.Template
    """All of it, as it is on the wire."""


def parse_template(template: wire.Template) -> Template:
    spec, status = template.spec, template.status
    return Template(
        name=template.name,
        uid=template.uid,
        labels=dict(template.labels),
        create_time=parse_time(template.create_time) if template.HasField("create_time") else None,
        owner=template.owner,
        runtime=_RUNTIMES.get(spec.runtime, "unknown"),
        interpreter=spec.interpreter,
        parent=spec.parent,
        preload=tuple(spec.preload),
        init=spec.init.function,
        env=dict(spec.env),
        cwd=spec.working_dir,
        run_as=spec.run_as.user,
        preload_timeout=spec.preload_timeout_ms / 1000,
        warm_workers=spec.warm_workers,
        module_path=tuple(spec.module_path),
        keep_fds=tuple(spec.keep_fds),
        state=_STATES.get(status.state, "unknown"),
        serving_generation=status.serving_generation,
        newest_generation=status.newest_generation,
        failure=_parse_failure(status.failure) if status.HasField("failure") else None,
        report=_parse_report(status.report) if status.HasField("report") else None,
        spawn_fallback=status.spawn_fallback,
        warm_workers_ready=status.warm_workers,
        zygote_restarts=status.zygote_restarts,
        latest=template,
    )


def _parse_failure(failure: wire.TemplateFailure) -> TemplateFailure:
    exception = failure.exception
    return TemplateFailure(
        message=failure.message,
        module=failure.module,
        exception=f"{exception.type}: {exception.message}" if exception.message else exception.type,
        traceback=exception.traceback,
        threads=tuple(failure.threads),
        open_files=tuple(failure.open_files),
        stderr_tail=failure.stderr_tail,
    )


def _parse_report(report: wire.ZygoteReport) -> ZygoteReport:
    return ZygoteReport(
        pid=report.pid,
        ready_time=parse_time(report.ready_time) if report.HasField("ready_time") else None,
        runtime_version=report.runtime_version,
        modules=tuple(LoadedModule(name=each.name, seconds=each.load_us / 1e6) for each in report.modules),
        threads=tuple(report.threads),
        open_files=tuple(report.open_files),
        rss_bytes=report.rss_bytes,
        pss_bytes=report.pss_bytes,
        forks=report.forks,
        stdout_tail=report.stdout_tail,
        stderr_tail=report.stderr_tail,
    )
