"""What goes into a worker, and what comes out."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from .errors import OutputGapError
from .logs import LogChunk, LogEnd, LogEvent, LogGap, LogOptions, StreamName

_LONGEST_LINE = 1 << 20
_LARGEST_WRITE_BYTES = 256 * 1024


class OutputStream:
    """One stream of a process's output.

    Each iteration reads it from the beginning of what is kept, and by default follows it until the worker and its tree
    have ended. Any number may read at once. Raises OutputGapError where bytes are gone because more was written than is
    kept, or because the file was truncated: use `Process.logs` to go on there.
    """

    def __init__(self, stream: StreamName, read: Callable[[LogOptions], Iterator[LogEvent]]) -> None:
        self._stream: StreamName = stream
        self._read = read

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks()

    def chunks(self, *, follow: bool = True) -> Iterator[bytes]:
        """The bytes, cut anywhere."""
        for event in self._read(LogOptions(stream=self._stream, follow=follow)):
            match event:
                case LogChunk():
                    yield event.data
                case LogGap(begin=begin, end=end):
                    raise OutputGapError(
                        f"Output on {event.stream} is gone ({event.reason}): offset {begin.offset} of epoch"
                        f" {begin.epoch} to offset {end.offset} of epoch {end.epoch}"
                    )
                case LogEnd():
                    return

    def lines(self, *, follow: bool = True) -> Iterator[str]:
        """UTF-8 lines without their end; one longer than a million characters comes in pieces."""
        rest = ""
        for text in self._texts(follow):
            *lines, rest = (rest + text).split("\n")
            yield from lines
            if len(rest) > _LONGEST_LINE:
                yield rest
                rest = ""
        if rest != "":
            yield rest

    def text(self, *, follow: bool = True) -> str:
        """All of it as UTF-8: by default when the worker and its tree have ended."""
        return "".join(self._texts(follow))

    def _texts(self, follow: bool) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for chunk in self.chunks(follow=follow):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)


class InputSink(Protocol):
    """What `InputStream` needs of a process. Both may be repeated when the daemon does not answer."""

    def write_at(self, offset: int, data: bytes) -> int:
        """Gives bytes at an offset, and returns the offset to go on at."""

    def close_stdin(self) -> None: ...


class InputStream:
    """The stdin of a process created with `open_stdin`.

    The offset of each write makes sure that one which is repeated after a break is not seen twice; for that only one
    program may write at a time.
    """

    def __init__(self, sink: InputSink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        # None when the worker may have got more than this side knows of.
        self._offset: int | None = None

    def write(self, data: bytes | str) -> None:
        """Returns when the pipe has taken all, which keeps a fast writer to the pace of the worker.

        After an interrupt, or another failure, the worker may have got the beginning. Raises ForkbusError
        STDIN_NOT_OPEN when the worker no longer reads.
        """
        with self._lock:
            self._write_all(data.encode() if isinstance(data, str) else bytes(data))

    def end(self, data: bytes | str = b"") -> None:
        """Closes stdin after what has been written: the worker then reads the end of the file.

        When `data` cannot be written stdin stays open, so that the worker does not take a part for the whole.
        """
        with self._lock:
            if len(data) > 0:
                self._write_all(data.encode() if isinstance(data, str) else bytes(data))
            self._sink.close_stdin()

    def _write_all(self, data: bytes) -> None:
        offset = self._sink.write_at(0, b"") if self._offset is None else self._offset
        self._offset = None
        begin = offset
        while offset - begin < len(data):
            done = offset - begin
            offset = self._sink.write_at(offset, data[done : done + _LARGEST_WRITE_BYTES])
        self._offset = offset
