"""How items become bytes, and bytes items."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeVar

T = TypeVar("T")

CodecName = Literal["bytes", "utf8", "json", "pickle"]


class Codec(Protocol[T]):
    """Producer and consumer must agree: the daemon never looks inside."""

    def encode(self, item: T, /) -> bytes: ...

    def decode(self, data: bytes, /) -> T: ...


class BytesCodec:
    def encode(self, item: bytes, /) -> bytes:
        if not isinstance(item, (bytes, bytearray, memoryview)):
            raise TypeError(f"An item of this queue is bytes, got {type(item).__name__}: is a codec missing?")
        return bytes(item)

    def decode(self, data: bytes, /) -> bytes:
        return data


class Utf8Codec:
    """Raises for bytes that are not UTF-8, rather than handing on something else."""

    def encode(self, item: str, /) -> bytes:
        if not isinstance(item, str):
            raise TypeError(f"An item of this queue is a str, got {type(item).__name__}")
        return item.encode()

    def decode(self, data: bytes, /) -> str:
        return data.decode()


class JsonCodec:
    """What JSON cannot say, as NaN, is refused: other languages could not read it."""

    def encode(self, item: Any, /) -> bytes:
        return json.dumps(item, allow_nan=False, separators=(",", ":")).encode()

    def decode(self, data: bytes, /) -> Any:
        return json.loads(data.decode())


class PickleCodec:
    """Any object, between Python programs that trust each other: who can put into the queue can run code here."""

    def encode(self, item: Any, /) -> bytes:
        return pickle.dumps(item)

    def decode(self, data: bytes, /) -> Any:
        return pickle.loads(data)


CODECS: Mapping[str, Codec[Any]] = {
    "bytes": BytesCodec(),
    "utf8": Utf8Codec(),
    "json": JsonCodec(),
    "pickle": PickleCodec(),
}


def codec_of(codec: str | Codec[Any]) -> Codec[Any]:
    """By its name, or the caller's own."""
    if not isinstance(codec, str):
        return codec
    found = CODECS.get(codec)
    if found is None:
        raise ValueError(f"A codec is one of {', '.join(CODECS)} or has encode and decode, got {codec!r}")
    return found
