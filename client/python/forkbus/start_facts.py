"""How a worker came into being, and how long that took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .v1 import process_pb2 as wire

StartMethod = Literal["spawn", "forkserver", "fork"]

METHOD_NUMBERS: Mapping[StartMethod, wire.StartMethod.ValueType] = {
    "spawn": wire.START_METHOD_SPAWN,
    "forkserver": wire.START_METHOD_FORKSERVER,
    "fork": wire.START_METHOD_FORK,
}

_METHODS: Mapping[int, StartMethod] = {number: method for method, number in METHOD_NUMBERS.items()}


@dataclass(frozen=True, kw_only=True)
class StartTimings:
    """Parts of the time from the arrival of the create to the first line of the function, in order; in seconds."""

    admission: float
    """Validation, CPUs, and keeping the intent."""
    pending: float
    """Waiting for the fork server: it was loading, or had others to fork."""
    hop: float
    """From the daemon over the keeper to the fork server."""
    fork: float
    """The system call; of a fresh program also the interpreter's start."""
    specialise: float
    """In the child: session, files, CPUs, limits, environment."""
    first_line: float
    """From there to the call of the function."""
    total: float
    """The sum of all these."""


def parse_method(method: int) -> StartMethod | None:
    """None where the daemon does not say, or says what this client does not know."""
    return _METHODS.get(method)


def parse_timings(timings: wire.StartTimings) -> StartTimings:
    return StartTimings(
        admission=timings.admission_us / 1e6,
        pending=timings.pending_us / 1e6,
        hop=timings.hop_us / 1e6,
        fork=timings.fork_us / 1e6,
        specialise=timings.specialise_us / 1e6,
        first_line=timings.first_line_us / 1e6,
        total=timings.total_us / 1e6,
    )
