"""The items of a measurement, as items.ts makes and tallies them."""

import time

HEADER_BYTES = 5
# Every so many items are compared byte by byte; the others by size, header and last byte.
WHOLE_LOOK = 256


def pattern_of(producer, size):
    return bytes((index * 7 + producer) & 0xFF for index in range(size))


def make_items(producer, count, size):
    tail = bytes([producer]) + pattern_of(producer, size)[HEADER_BYTES:-1]
    for sequence in range(count):
        yield sequence.to_bytes(4, "little") + tail + bytes([sequence & 0xFF])


class Tally:
    """Looks at every item that one consumer gets, and raises ValueError for one that is damaged or late."""

    def __init__(self, size):
        self.size = size
        self.count = self.sequences = 0
        self.last_ns = None
        self.last_of = {}
        self.patterns = {}

    def add(self, item):
        self.last_ns = time.monotonic_ns()
        sequence = int.from_bytes(item[:4], "little")
        producer = item[4]
        if len(item) != self.size or item[-1] != sequence & 0xFF:
            raise ValueError(f"Item {sequence} of producer {producer} is damaged")
        if sequence <= self.last_of.get(producer, -1):
            raise ValueError(f"Item {sequence} of producer {producer} came after a later one")
        self.last_of[producer] = sequence
        self.sequences += sequence
        if self.count % WHOLE_LOOK == 0:
            self.look_at_all(item, producer, sequence)
        self.count += 1

    def look_at_all(self, item, producer, sequence):
        if producer not in self.patterns:
            self.patterns[producer] = pattern_of(producer, self.size)
        if item[HEADER_BYTES:-1] != self.patterns[producer][HEADER_BYTES:-1]:
            raise ValueError(f"Item {sequence} of producer {producer} is damaged inside")

    def answer(self):
        return {
            "last_item_ns": None if self.last_ns is None else str(self.last_ns),
            "count": self.count,
            "bytes": self.count * self.size,
            "sequences": self.sequences,
        }
