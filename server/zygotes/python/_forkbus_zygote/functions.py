"""Functions by name, and their arguments and results as bytes."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any, Callable

from .specification import Function

# NaN and its kin would be JSON for nobody but Python.
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))

LARGEST_RESULT = 2 * 1024 * 1024


class BadArguments(Exception):
    """The arguments are not what their encoding says."""

    __module__ = "builtins"  # So that tracebacks call it by its mere name, as records do.


class BadResult(Exception):
    """The result cannot be said in the encoding that was asked for."""

    __module__ = "builtins"


class ResultTooLarge(Exception):
    """The encoded result is larger than a result file may be."""

    __module__ = "builtins"


def resolve(name: str) -> Callable[..., Any]:
    """The function `module:function`; dots are allowed in both. Raises what importing raises."""
    module_name, colon, path = name.partition(":")
    if not module_name or not colon or not path:
        raise ValueError(f"A Python function is module:function, not {name!r}")
    # What is loaded already is not imported again: that looks at a good deal.
    found: Any = sys.modules.get(module_name) or importlib.import_module(module_name)
    for part in path.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name} is a {type(found).__name__}, which cannot be called")
    return found


def decode_arguments(encoding: str, data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not data:
        return (), {}
    if encoding == "raw":
        return (data,), {}
    try:
        value = _decode(encoding, data)
    except Exception as error:
        raise BadArguments(f"The arguments cannot be decoded as {encoding}: {error}") from error
    if encoding == "json":
        if isinstance(value, list):
            return tuple(value), {}
        if isinstance(value, dict):
            return (), value
        raise BadArguments("The arguments are neither a JSON array nor an object")
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], tuple) and isinstance(value[1], dict):
        return value
    raise BadArguments("The pickled arguments are not a pair of a tuple and a dict")


def _decode(encoding: str, data: bytes) -> Any:
    if encoding == "json":
        return json.loads(data)
    if encoding == "pickle":
        import pickle

        return pickle.loads(data)
    raise BadArguments("there is no such encoding here")


def encode_result(encoding: str, value: Any) -> bytes:
    try:
        data = _encode(encoding, value)
    except Exception as error:
        raise BadResult(f"The result, a {type(value).__name__}, cannot be encoded as {encoding}: {error}") from error
    if len(data) > LARGEST_RESULT:
        raise ResultTooLarge(f"The result has {len(data)} bytes, and {LARGEST_RESULT} are allowed")
    return data


def _encode(encoding: str, value: Any) -> bytes:
    if encoding == "json":
        return _ENCODER.encode(value).encode()
    if encoding == "pickle":
        import pickle

        return pickle.dumps(value)
    if encoding == "raw":
        return b"" if value is None else bytes(memoryview(value))
    raise BadResult("there is no such encoding here")


def call(function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """What the function returns; awaited, if it is async."""
    value = function(*arguments, **keywords)
    if not hasattr(type(value), "__await__"):
        return value
    import asyncio

    async def settled() -> Any:
        return await value

    return asyncio.run(settled())


def call_by_name(function: Function, data: bytes) -> Any:
    called = resolve(function.function)
    arguments, keywords = decode_arguments(function.encoding, data)
    return call(called, arguments, keywords)
