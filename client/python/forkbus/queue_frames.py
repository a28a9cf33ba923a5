"""Cutting many items into calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LARGEST_FRAME_BYTES = 1 << 20
_MOST_ITEMS = 1024
# Room for the other fields of a frame.
_HEADER_BYTES = 64


@dataclass(frozen=True)
class FrameBounds:
    """Of the queue, which a larger run could never meet; 0 means none."""

    max_items: int
    max_bytes: int


def frames(items: Sequence[bytes], bounds: FrameBounds) -> Iterator[Sequence[bytes]]:
    """Cuts items into runs for one Put each, in order.

    An item that fits nowhere is a run of its own, which the daemon then refuses by name.
    """
    max_items = min(bounds.max_items or _MOST_ITEMS, _MOST_ITEMS)
    begin = 0
    item_bytes = 0
    encoded_bytes = _HEADER_BYTES
    for index, item in enumerate(items):
        encoded = _encoded_size(len(item))
        fits = (
            index - begin < max_items
            and (bounds.max_bytes == 0 or item_bytes + len(item) <= bounds.max_bytes)
            and encoded_bytes + encoded <= _LARGEST_FRAME_BYTES
        )
        if not fits and index > begin:
            yield items[begin:index]
            begin = index
            item_bytes = 0
            encoded_bytes = _HEADER_BYTES
        item_bytes += len(item)
        encoded_bytes += encoded
    if begin < len(items):
        yield items[begin:]


def _encoded_size(length: int) -> int:
    """Tag, length as a varint, bytes."""
    return 1 + max(1, -(-length.bit_length() // 7)) + length
