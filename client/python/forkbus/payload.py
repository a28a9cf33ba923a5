"""Arguments and results as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .errors import ForkbusError
from .queue_codec import CODECS
from .v1.types_pb2 import Payload

Encoding = Literal["pickle", "json", "raw"]

_CODECS = {"pickle": CODECS["pickle"], "json": CODECS["json"], "raw": CODECS["bytes"]}


def encode_arguments(encoding: Encoding, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Payload:
    """`json` takes positional or keyword arguments, but not both; `raw` takes one argument of bytes."""
    if encoding not in _CODECS:
        raise ValueError(f"An encoding is one of {', '.join(_CODECS)}, got {encoding!r}")
    if len(args) == 0 and len(kwargs) == 0:
        return Payload(encoding=encoding)
    return Payload(encoding=encoding, data=_CODECS[encoding].encode(_arguments(encoding, args, kwargs)))


def _arguments(encoding: Encoding, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    match encoding:
        case "pickle":
            return args, dict(kwargs)
        case "json":
            if len(args) > 0 and len(kwargs) > 0:
                raise TypeError("In json a function has positional or keyword arguments, not both")
            return list(args) if len(args) > 0 else dict(kwargs)
        case "raw":
            if len(args) != 1 or len(kwargs) > 0:
                raise TypeError(f"In raw a function has one argument, of bytes, got {len(args) + len(kwargs)}")
            return args[0]


def decode_value(payload: Payload, unpickle: bool) -> Any:
    """What a worker gave. Raises ForkbusError for what is not to be unpickled, or cannot be decoded here."""
    encoding = payload.encoding or "json"
    if encoding not in _CODECS:
        raise ForkbusError(f"This client cannot decode what is encoded as {encoding!r}", code="DATA_LOSS")
    if encoding == "pickle" and not unpickle:
        raise ForkbusError(
            "What is pickled can run code here: pass unpickle=True where you trust who started the process",
            code="FAILED_PRECONDITION",
        )
    try:
        return _CODECS[encoding].decode(payload.data)
    except Exception as error:
        raise ForkbusError(f"What the worker gave cannot be decoded here: {error!r}", code="DATA_LOSS") from error
