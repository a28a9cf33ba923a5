"""Limits of the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from .v1 import process_pb2 as wire


class Rlimit(TypedDict, total=False):
    """What is not given, or None, means unlimited."""

    soft: int | None
    hard: int | None


class Limits(TypedDict, total=False):
    """Of a worker and its descendants together, by cgroup v2. What is not given, or 0, means no limit."""

    memory_max_bytes: int
    memory_high_bytes: int
    """Above this they are slowed down."""
    pids_max: int
    """Processes and threads."""
    cpu_weight: int
    """Share of CPU time under contention, 1 to 10 000; the kernel's default is 100."""
    cpu_max: float
    """CPU time, in CPUs: 1.5 is one and a half."""
    best_effort: bool
    """Where the host cannot enforce one, go on without: `Process.unenforced_limits` says which. Default: creating the
    process raises ForkbusError KERNEL_FEATURE_MISSING."""


def resource_limits(rlimits: Mapping[str, Rlimit], limits: Limits) -> wire.ResourceLimits:
    unknown = set(limits) - set(Limits.__annotations__)
    if unknown:
        raise TypeError(f"There is no limit {', '.join(sorted(unknown))}")
    cpu_max_milli = round(limits.get("cpu_max", 0) * 1000)
    if cpu_max_milli == 0 and limits.get("cpu_max", 0) != 0:
        raise ValueError(f"cpu_max is at least a thousandth of a CPU, got {limits['cpu_max']}")
    return wire.ResourceLimits(
        rlimits=[
            wire.Rlimit(resource=resource, soft=limit.get("soft"), hard=limit.get("hard"))
            for resource, limit in rlimits.items()
        ],
        memory_max_bytes=limits.get("memory_max_bytes", 0),
        memory_high_bytes=limits.get("memory_high_bytes", 0),
        pids_max=limits.get("pids_max", 0),
        cpu_weight=limits.get("cpu_weight", 0),
        cpu_max_milli=cpu_max_milli,
        best_effort=limits.get("best_effort", False),
    )
