"""Reading what a worker wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from .connection import Connection
from .errors import ForkbusError
from .retry import Outage
from .v1 import process_pb2 as wire
from .v1 import types_pb2

StreamName = Literal["stdout", "stderr"]


@dataclass(frozen=True)
class LogPosition:
    """A place in a stream of output. The epoch grows when someone truncates the worker's output file."""

    epoch: int = 0
    offset: int = 0


@dataclass(frozen=True)
class LogChunk:
    """Bytes as the worker wrote them; cuts fall anywhere. `position` is that of the first."""

    stream: StreamName
    position: LogPosition
    data: bytes
    kind: Literal["chunk"] = "chunk"


@dataclass(frozen=True)
class LogGap:
    """Bytes that can no longer be read: the next that can is at `end`."""

    stream: StreamName
    begin: LogPosition
    end: LogPosition
    reason: Literal["retention", "truncated", "unknown"]
    kind: Literal["gap"] = "gap"


@dataclass(frozen=True)
class LogEnd:
    """No more bytes come on this stream."""

    stream: StreamName
    position: LogPosition
    kind: Literal["end"] = "end"


LogEvent = LogChunk | LogGap | LogEnd


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    stream: StreamName | None = None
    """None: both, which lie to each other in no particular order."""
    follow: bool = True
    """Go on until the worker and its tree have ended."""
    tail_lines: int | None = None
    """Begin at the last n lines of each stream."""
    start: Mapping[StreamName, LogPosition] | None = None
    """Begin here, such as after the last chunk of an earlier read; a stream not named begins at its beginning."""


def read_logs(connection: Connection, name: str, uid: str, options: LogOptions) -> Iterator[LogEvent]:
    """Reads output, and resumes at the byte where it was when the connection breaks.

    No byte comes twice or is missing. Ends after the last event; ending the iteration early ends the call.
    """
    wanted: tuple[StreamName, ...] = ("stdout", "stderr") if options.stream is None else (options.stream,)
    positions: dict[StreamName, LogPosition] = dict(options.start or {})
    ended: set[StreamName] = set()
    outage = Outage(connection.reconnect, connection.closing.sleep)
    # A tail that breaks after an event of one stream alone goes on in the other at what was its end when it began.
    fallback = {} if options.tail_lines is None else _ends(connection, name, uid)
    begun = False
    while not options.follow or len(ended) < len(wanted):
        outage.attempt()
        request = wire.ReadLogsRequest(name=name, uid=uid, stream=_number(options.stream), follow=options.follow)
        if options.tail_lines is not None and not begun:
            request.tail_lines = options.tail_lines
        else:
            request.positions.CopyFrom(_log_positions({**fallback, **positions} if begun else positions))
        try:
            for response in connection.stream(connection.processes.ReadLogs, request):
                outage.over()
                event = _parse_event(response)
                if event is None or event.stream in ended:
                    continue
                begun = True
                positions[event.stream] = _position_after(event)
                if isinstance(event, LogEnd):
                    ended.add(event.stream)
                yield event
            return
        except ForkbusError as error:
            outage.pause(error)


def _ends(connection: Connection, name: str, uid: str) -> dict[StreamName, LogPosition]:
    request = wire.GetProcessRequest(name=name, uid=uid)
    status = connection.repeat(connection.processes.GetProcess, lambda: request).process.status
    return {"stdout": _position(status.stdout.end), "stderr": _position(status.stderr.end)}


def _number(stream: StreamName | None) -> wire.LogStream.ValueType:
    if stream is None:
        return wire.LOG_STREAM_UNSPECIFIED
    return wire.LOG_STREAM_STDOUT if stream == "stdout" else wire.LOG_STREAM_STDERR


def _log_positions(positions: Mapping[StreamName, LogPosition]) -> wire.LogPositions:
    message = wire.LogPositions()
    for stream, position in positions.items():
        target = message.stdout if stream == "stdout" else message.stderr
        target.CopyFrom(types_pb2.LogOffset(epoch=position.epoch, offset=position.offset))
    return message


def _position(offset: types_pb2.LogOffset) -> LogPosition:
    return LogPosition(offset.epoch, offset.offset)


def _parse_event(response: wire.ReadLogsResponse) -> LogEvent | None:
    """None for an event that this client does not know."""
    match response.WhichOneof("event"):
        case "chunk":
            chunk = response.chunk
            return LogChunk(_stream(chunk.stream), _position(chunk.position), chunk.data)
        case "gap":
            gap = response.gap
            return LogGap(_stream(gap.stream), _position(getattr(gap, "from")), _position(gap.to), _reason(gap.reason))
        case "end":
            return LogEnd(_stream(response.end.stream), _position(response.end.position))
        case _:
            return None


def _stream(stream: wire.LogStream.ValueType) -> StreamName:
    return "stderr" if stream == wire.LOG_STREAM_STDERR else "stdout"


def _reason(reason: wire.LogGapReason.ValueType) -> Literal["retention", "truncated", "unknown"]:
    if reason == wire.LOG_GAP_REASON_RETENTION:
        return "retention"
    return "truncated" if reason == wire.LOG_GAP_REASON_TRUNCATED else "unknown"


def _position_after(event: LogEvent) -> LogPosition:
    match event:
        case LogChunk():
            return LogPosition(event.position.epoch, event.position.offset + len(event.data))
        case LogGap():
            return event.end
        case LogEnd():
            return event.position
