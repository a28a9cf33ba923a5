"""What the daemon adds to a status: `google.rpc.ErrorInfo` and `google.rpc.RetryInfo`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class ErrorDetails:
    reason: str = ""
    """Name of an ErrorReason without its prefix; empty when the daemon, or something between, gave none."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    """When it may be worth trying again, in seconds."""


def decode_error_details(status: bytes) -> ErrorDetails:
    """Reads the trailer `grpc-status-details-bin`, an encoded `google.rpc.Status`.

    Details of other types and fields that are not known are passed over; bytes that are no such message give no
    details, for the status itself still stands.
    """
    details = ErrorDetails()
    try:
        for number, value in _fields(status):
            if number == 3:
                details = _with_any(details, _bytes(value))
    except (ValueError, IndexError):
        return ErrorDetails()
    return details


def _with_any(details: ErrorDetails, message: bytes) -> ErrorDetails:
    fields = dict(_fields(message))
    value = _bytes(fields.get(2, b""))
    match _text(fields.get(1, b"")).rpartition("/")[2]:
        case "google.rpc.ErrorInfo":
            pairs = [dict(_fields(_bytes(entry))) for number, entry in _fields(value) if number == 3]
            return replace(
                details,
                reason=_text(dict(_fields(value)).get(1, b"")),
                metadata={_text(pair.get(1, b"")): _text(pair.get(2, b"")) for pair in pairs},
            )
        case "google.rpc.RetryInfo":
            duration = dict(_fields(_bytes(dict(_fields(value)).get(1, b""))))
            return replace(details, retry_after=_number(duration.get(1, 0)) + _number(duration.get(2, 0)) / 1e9)
        case _:
            return details


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field of an encoded message: its number, and its value as it is on the wire."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        match tag & 7:
            case 0:
                value, position = _varint(message, position)
                yield tag >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, position = _varint(message, position)
            case 5:
                size = 4
            case wire_type:
                raise ValueError(f"Wire type {wire_type} has no value")
        if position + size > len(message):
            raise ValueError("A field is longer than its message")
        yield tag >> 3, message[position : position + size]
        position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("A varint has at most ten bytes")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("A number stands where bytes should")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode()


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("Bytes stand where a number should")
    return value
