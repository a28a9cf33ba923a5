"""How a process ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal

from .v1 import process_pb2 as wire

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

Cause = Literal["unknown", "self", "signal-requested", "stop-requested"]
LostCause = Literal["unknown", "reboot", "keeper-died", "namespace-gone", "record-damaged"]


@dataclass(frozen=True)
class ResourceUsage:
    """What the worker and its waited-for children used."""

    user_seconds: float
    system_seconds: float
    max_rss_bytes: int


@dataclass(frozen=True, kw_only=True)
class ExitFacts:
    """What is known of every end. Nothing here is guessed: what is not known is None, or the exit is Lost."""

    succeeded: bool
    """Exit code 0, and nothing else."""
    cause: Cause
    requested_by: str
    """Who asked for the end, and with which request id; empty when nobody did."""
    request_id: str
    usage: ResourceUsage | None
    start_time: datetime | None
    end_time: datetime | None
    """When the end was seen; of a lost process, the latest time at which it can have been."""


@dataclass(frozen=True, kw_only=True)
class Exited(ExitFacts):
    """It ended with an exit code."""

    code: int
    kind: Literal["exited"] = "exited"


@dataclass(frozen=True, kw_only=True)
class Signaled(ExitFacts):
    """A signal killed it."""

    signal: int
    signal_name: str
    """Such as `SIGKILL`."""
    core_dumped: bool
    kind: Literal["signaled"] = "signaled"


@dataclass(frozen=True, kw_only=True)
class Lost(ExitFacts):
    """It is gone, and nobody knows how."""

    reason: LostCause
    message: str
    kind: Literal["lost"] = "lost"


Exit = Exited | Signaled | Lost

_CAUSES: Mapping[int, Cause] = {
    wire.EXIT_CAUSE_SELF: "self",
    wire.EXIT_CAUSE_SIGNAL_REQUESTED: "signal-requested",
    wire.EXIT_CAUSE_STOP_REQUESTED: "stop-requested",
}

_LOST_CAUSES: Mapping[int, LostCause] = {
    wire.LOST_REASON_REBOOT: "reboot",
    wire.LOST_REASON_KEEPER_DIED: "keeper-died",
    wire.LOST_REASON_NAMESPACE_GONE: "namespace-gone",
    wire.LOST_REASON_RECORD_DAMAGED: "record-damaged",
}


def parse_exit(record: wire.ExitRecord) -> Exit:
    """Reads an exit record. An outcome that this client does not know counts as lost, with a message that says so."""
    facts = ExitFacts(
        succeeded=record.succeeded,
        cause=_CAUSES.get(record.cause, "unknown"),
        requested_by=record.requested_by,
        request_id=record.request_id,
        usage=_parse_usage(record.usage) if record.HasField("usage") else None,
        start_time=parse_time(record.start_time) if record.HasField("start_time") else None,
        end_time=parse_time(record.end_time) if record.HasField("end_time") else None,
    )
    match record.WhichOneof("outcome"):
        case "exit_code":
            return Exited(**vars(facts), code=record.exit_code)
        case "signal":
            signal = record.signal
            return Signaled(
                **vars(facts), signal=signal.number, signal_name=signal.name, core_dumped=signal.core_dumped
            )
        case "lost":
            reason = _LOST_CAUSES.get(record.lost.reason, "unknown")
            return Lost(**vars(facts), reason=reason, message=record.lost.message)
        case _:
            message = "The daemon reports an outcome that this client does not know"
            return Lost(**vars(facts), reason="unknown", message=message)


def exit_code_of(exit: Exit) -> int | None:
    """Python's exit code: what the worker gave, or minus the number of its signal; None when nobody knows."""
    match exit:
        case Exited():
            return exit.code
        case Signaled():
            return -exit.signal
        case Lost():
            return None


def describe_exit(exit: Exit) -> str:
    """In words that follow the name of the process."""
    match exit:
        case Exited():
            return f"exited with code {exit.code}"
        case Signaled():
            return f"was killed by {exit.signal_name}"
        case Lost():
            return f"is lost, and nobody knows how it ended: {exit.message}"


def parse_time(time: Timestamp) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    return epoch + timedelta(seconds=time.seconds, microseconds=time.nanos // 1000)


def _parse_usage(usage: wire.ResourceUsage) -> ResourceUsage:
    return ResourceUsage(
        user_seconds=usage.user_us / 1e6,
        system_seconds=usage.system_us / 1e6,
        max_rss_bytes=usage.max_rss_bytes,
    )
