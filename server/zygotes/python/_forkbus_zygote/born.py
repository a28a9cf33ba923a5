"""What ends an order to fork: a child, or a refusal."""

from __future__ import annotations

import os
from typing import NoReturn

from .link import Link

_LONGEST_REASON = 480


class Born:
    """A forked child that has been told to go; its files are in place but for its specification."""

    __slots__ = ("specification_fd",)

    def __init__(self, specification_fd: int) -> None:
        self.specification_fd = specification_fd


def refuse(link: Link, id: bytes, number: int, reason: str) -> None:
    text = reason.encode("utf-8", "replace")[:_LONGEST_REASON]
    link.send(b"X", id + number.to_bytes(4, "little") + text)


def die() -> NoReturn:
    import traceback

    traceback.print_exc()
    os._exit(1)
