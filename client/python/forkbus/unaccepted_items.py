"""What a producer has been given, until it is known what became of it."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from .queue_frames import HEADER_BYTES, LARGEST_FRAME_BYTES, MOST_FRAME_ITEMS
from .wakeup import Wakeup

# More than tag and length of an item take in a frame, and about what Python takes for a bytes object.
_EXTRA_BYTES = 40
# Past this a producer waits.
_MOST_BYTES = 8 << 20


@dataclass(frozen=True)
class Run:
    """Items that travel together. By the producer's sequences, which begin with 1."""

    first: int
    items: list[bytes]


class UnacceptedItems:
    """In order, and kept to be sent again when the stream breaks.

    Filled by the program's thread, and emptied by those of gRPC. Items are gathered for as long as a frame is on its
    way, and nothing waits for company that may not come.
    """

    def __init__(self) -> None:
        self.work = Wakeup()
        """For the thread that sends."""
        self.bytes = 0
        """About the memory that they take."""
        self.accepted_seq = 0
        """What became of all items up to this one is known."""
        self.stored = 0
        """How many of those are in the queue."""
        self._lock = threading.Lock()
        self._runs: deque[Run] = deque()
        self._gathered: list[bytes] = []
        self._gathered_bytes = HEADER_BYTES
        self._sealed_seq = 0
        self._hungry = False
        self._interrupted = False

    @property
    def full(self) -> bool:
        return self.bytes > _MOST_BYTES

    @property
    def settled(self) -> bool:
        """Whether it is known what became of all."""
        return self.accepted_seq == self._sealed_seq + len(self._gathered)

    def add(self, item: bytes) -> None:
        size = len(item) + _EXTRA_BYTES
        with self._lock:
            # Stays so when an interrupt comes in between: then nothing more is sent, as nobody knows what there is.
            self._interrupted = True
            if self._gathered_bytes + size > LARGEST_FRAME_BYTES or len(self._gathered) == MOST_FRAME_ITEMS:
                self._seal()
            self._gathered.append(item)
            self._gathered_bytes += size
            self.bytes += size
            hungry = self._hungry
            self._interrupted = False
        if hungry:
            self.work.ring()

    def run_from(self, seq: int, last: int) -> Run | None:
        """What is to be sent from one sequence on, and not beyond another; None when that is nothing.

        Then `work` is rung for the next item.
        """
        with self._lock:
            self._hungry = False
            if seq > last or self._interrupted:
                return None
            if self._sealed_seq < seq:
                self._seal()
            for run in self._runs:
                skip = seq - run.first
                if skip < len(run.items):
                    whole = skip == 0 and run.first + len(run.items) - 1 <= last
                    return run if whole else Run(seq, run.items[skip : last - run.first + 1])
            self._hungry = True
            return None

    def accept(self, seq: int, rejected: int) -> None:
        """All items up to this one are in the queue, but for so many that were rejected since the last time."""
        with self._lock:
            if seq <= self.accepted_seq:
                return
            self.stored += seq - self.accepted_seq - rejected
            self.accepted_seq = seq
            while len(self._runs) > 0 and self._runs[0].first + len(self._runs[0].items) - 1 <= seq:
                gone = self._runs.popleft().items
                self.bytes -= sum(map(len, gone)) + _EXTRA_BYTES * len(gone)

    def _seal(self) -> None:
        """What has been gathered becomes a run."""
        if len(self._gathered) == 0:
            return
        self._runs.append(Run(self._sealed_seq + 1, self._gathered))
        self._sealed_seq += len(self._gathered)
        self._gathered = []
        self._gathered_bytes = HEADER_BYTES
