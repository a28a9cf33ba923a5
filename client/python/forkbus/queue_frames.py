"""How items fit into frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .v1.frame_pb2 import Frame, FramePart

# The largest item that travels in one frame: larger ones go in parts, on streams only.
LARGEST_FRAMED_ITEM = 1_048_512
LARGEST_ITEM = 64 << 20
LARGEST_FRAME_BYTES = 1 << 20
MOST_FRAME_ITEMS = 1024
# Room for the other fields of a frame, and for those of a part.
HEADER_BYTES = 64
_PART_BYTES = LARGEST_FRAMED_ITEM - 32


@dataclass(frozen=True)
class FrameBounds:
    """Of the queue, which a larger run could never meet; 0 means none."""

    max_items: int
    max_bytes: int


def frames(items: Iterable[bytes], bounds: FrameBounds) -> Iterator[list[bytes]]:
    """Cuts items into runs for one Put each, in order, as they come.

    An item that fits nowhere is a run of its own, which the daemon then refuses by name.
    """
    max_items = min(bounds.max_items or MOST_FRAME_ITEMS, MOST_FRAME_ITEMS)
    run: list[bytes] = []
    item_bytes = 0
    encoded_bytes = HEADER_BYTES
    for item in items:
        encoded = encoded_size(len(item))
        fits = (
            len(run) < max_items
            and (bounds.max_bytes == 0 or item_bytes + len(item) <= bounds.max_bytes)
            and encoded_bytes + encoded <= LARGEST_FRAME_BYTES
        )
        if not fits and len(run) > 0:
            yield run
            run = []
            item_bytes = 0
            encoded_bytes = HEADER_BYTES
        run.append(item)
        item_bytes += len(item)
        encoded_bytes += encoded
    if len(run) > 0:
        yield run


def parts(first_seq: int, item: bytes) -> Iterator[Frame]:
    """Cuts an item that is too large for a frame."""
    for offset in range(0, len(item), _PART_BYTES):
        part = FramePart(offset=offset, item_bytes=len(item))
        yield Frame(first_seq=first_seq, part=part, items=[item[offset : offset + _PART_BYTES]])


def encoded_size(length: int) -> int:
    """Tag, length as a varint, bytes."""
    return 1 + max(1, -(-length.bit_length() // 7)) + length
