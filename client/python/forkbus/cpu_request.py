"""Which CPUs a process asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from .v1 import process_pb2 as wire


class ExclusiveCpus(TypedDict, total=False):
    """CPUs for one worker alone; workers that share them are moved away first."""

    exclusive: int
    """How many. Required."""
    layout: Literal["compact", "spread", "full-core"]
    """Close together (the default), far apart, or whole cores with all their SMT siblings."""
    wait: float
    """Seconds to wait for them, after those who asked before. Default 0: creating fails when there are none."""


def cpu_request(cpus: int | Literal["all"] | Sequence[int] | ExclusiveCpus | None) -> wire.CpuRequest:
    if cpus is None:
        return wire.CpuRequest()
    if cpus == "all" or cpus == 0:
        return wire.CpuRequest(policy=wire.CPU_POLICY_NONE)
    if isinstance(cpus, int):
        return wire.CpuRequest(policy=wire.CPU_POLICY_SHARED, count=cpus)
    if isinstance(cpus, str):
        raise ValueError(f"cpus is a number, a sequence of numbers, exclusive CPUs or 'all', got {cpus!r}")
    if isinstance(cpus, dict):
        return _exclusive(cpus)
    return wire.CpuRequest(policy=wire.CPU_POLICY_EXPLICIT, cpus=cpus)


def _exclusive(cpus: ExclusiveCpus) -> wire.CpuRequest:
    if "exclusive" not in cpus or set(cpus) - set(ExclusiveCpus.__annotations__):
        raise TypeError(f"Exclusive CPUs have exclusive, and perhaps layout and wait, got {cpus!r}")
    layout = cpus.get("layout", "compact")
    if layout not in _LAYOUTS:
        raise ValueError(f"A layout is one of {', '.join(_LAYOUTS)}, got {layout!r}")
    return wire.CpuRequest(
        policy=wire.CPU_POLICY_EXCLUSIVE,
        count=cpus["exclusive"],
        layout=_LAYOUTS[layout],
        max_wait_ms=round(cpus.get("wait", 0) * 1000),
    )


_LAYOUTS = {
    "compact": wire.CPU_LAYOUT_COMPACT,
    "spread": wire.CPU_LAYOUT_SPREAD,
    "full-core": wire.CPU_LAYOUT_FULL_CORE,
}
