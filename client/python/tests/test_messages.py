"""What the wire says, read."""

from __future__ import annotations

import random

import grpc
import pytest

from forkbus import AlreadyExistsError, Exited, ForkbusError, Lost, QueueFull, Signaled, UnavailableError
from forkbus.error_details import ErrorDetails, decode_error_details
from forkbus.errors import error_of_failure, error_of_status
from forkbus.exit import exit_code_of, parse_exit
from forkbus.queue_frames import FrameBounds, frames, parts
from forkbus.unaccepted_items import UnacceptedItems
from forkbus.v1 import error_pb2, process_pb2
from forkbus.v1.frame_pb2 import Frame
from forkbus.v1.types_pb2 import Failure


def field(number: int, value: bytes | int) -> bytes:
    """An encoded field; numbers below 128."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def detail(type_name: str, value: bytes) -> bytes:
    return field(3, field(1, b"type.googleapis.com/" + type_name.encode()) + field(2, value))


INFO = detail("google.rpc.ErrorInfo", field(1, b"QUEUE_FULL") + field(3, field(1, b"max_items") + field(2, b"7")))
RETRY = detail("google.rpc.RetryInfo", field(1, field(1, 2) + bytes([0x10, 0x80, 0x94, 0xEB, 0xDC, 0x03])))


def test_reads_reason_metadata_and_retry() -> None:
    status = field(1, 8) + field(2, b"full") + detail("some.Other", b"\xff") + INFO + RETRY
    assert decode_error_details(status) == ErrorDetails("QUEUE_FULL", {"max_items": "7"}, 3.0)


def test_makes_nothing_of_bytes_that_are_no_details() -> None:
    chance = random.Random(7)
    for _ in range(5000):
        damaged = bytearray(INFO + RETRY)
        for _ in range(chance.randrange(4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        details = decode_error_details(bytes(damaged[: chance.randrange(len(damaged))]))
        assert isinstance(details, ErrorDetails)
    assert decode_error_details(INFO[:-1]) == ErrorDetails()


@pytest.mark.parametrize(
    ("status", "message", "trailer", "kind", "code"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "full", INFO, QueueFull, "RESOURCE_EXHAUSTED"),
        (grpc.StatusCode.ALREADY_EXISTS, "there", None, AlreadyExistsError, "ALREADY_EXISTS"),
        (grpc.StatusCode.CANCELLED, "reset", None, UnavailableError, "UNAVAILABLE"),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", None, UnavailableError, "UNAVAILABLE"),
        (grpc.StatusCode.INTERNAL, "a fault", None, ForkbusError, "INTERNAL"),
    ],
)
def test_raises_the_class_of_reason_and_code(
    status: grpc.StatusCode, message: str, trailer: bytes | None, kind: type[ForkbusError], code: str
) -> None:
    error = error_of_status(status, message, [] if trailer is None else [("grpc-status-details-bin", trailer)])
    assert (type(error), error.code, str(error)) == (kind, code, message)


def test_guesses_no_exit_code() -> None:
    lost = parse_exit(
        process_pb2.ExitRecord(
            lost=process_pb2.LostExit(reason=process_pb2.LOST_REASON_REBOOT, message="The host was restarted")
        )
    )
    assert isinstance(lost, Lost)
    assert (lost.reason, lost.message, lost.usage, lost.end_time) == ("reboot", "The host was restarted", None, None)
    assert exit_code_of(lost) is None
    unknown = parse_exit(process_pb2.ExitRecord())
    assert isinstance(unknown, Lost) and "does not know" in unknown.message
    exited = parse_exit(process_pb2.ExitRecord(exit_code=0, succeeded=True))
    assert isinstance(exited, Exited) and exit_code_of(exited) == 0
    signaled = parse_exit(process_pb2.ExitRecord(signal=process_pb2.SignalExit(number=9, name="SIGKILL")))
    assert isinstance(signaled, Signaled) and exit_code_of(signaled) == -9


def test_cuts_items_into_frames_that_fit_in_order() -> None:
    chance = random.Random(7)
    for _ in range(50):
        items = [bytes(chance.randrange(1 << chance.randrange(1, 20))) for _ in range(chance.randrange(1, 60))]
        bounds = FrameBounds(chance.choice([0, 1, 7, 5000]), chance.choice([0, 100, 1 << 20]))
        runs = [list(run) for run in frames(items, bounds)]
        assert [item for run in runs for item in run] == items
        for run in runs:
            fits = len(run) == 1 or Frame(first_seq=1 << 63, count=1024, items=run).ByteSize() <= 1 << 20
            assert fits
            assert len(run) <= (bounds.max_items or 1024)
            assert len(run) == 1 or sum(map(len, run)) <= (bounds.max_bytes or 1 << 20)
        # No two neighbours would have fitted together.
        if bounds == FrameBounds(0, 0):
            for run, following in zip(runs, runs[1:]):
                assert len(run) == 1024 or Frame(items=[*run, following[0]]).ByteSize() > (1 << 20) - 64


def test_raises_the_class_of_a_failure_in_a_stream() -> None:
    full = Failure(code=8, reason=error_pb2.ERROR_REASON_QUEUE_FULL, message="full", metadata={"max_items": "7"})
    error = error_of_failure(full)
    assert (type(error), error.code, error.reason, str(error)) == (QueueFull, "RESOURCE_EXHAUSTED", "QUEUE_FULL", "full")
    assert error.metadata == {"max_items": "7"}
    newer = error_of_failure(Failure(code=14))
    assert (type(newer), newer.code, newer.reason, str(newer)) == (UnavailableError, "UNAVAILABLE", "", "UNAVAILABLE")
    unknown = Failure(code=99)
    # As a daemon that has more reasons would send it.
    unknown.MergeFromString(b"\x10\xff\x7f")
    assert (error_of_failure(unknown).code, error_of_failure(unknown).reason) == ("UNKNOWN", "")


def test_keeps_what_is_not_accepted_and_sends_it_from_any_place_again() -> None:
    chance = random.Random(7)
    for _ in range(200):
        items, given = UnacceptedItems(), 0
        accepted = sent = 0
        for _ in range(60):
            match chance.randrange(4):
                case 0:
                    for _ in range(chance.choice([1, 3, 1500])):
                        given += 1
                        items.add(str(given).encode())
                case 1:
                    last = sent + chance.randrange(2000)
                    run = items.run_from(sent + 1, last)
                    assert (run is None) == (sent == min(given, last))
                    if run is not None:
                        end = sent + len(run.items)
                        assert run.first == sent + 1 and end <= last and len(run.items) <= 1024
                        assert run.items == [str(n).encode() for n in range(sent + 1, end + 1)]
                        sent = end
                case 2:
                    accepted = chance.randint(accepted, sent)
                    items.accept(accepted, 0)
                    items.accept(chance.randint(0, accepted), 0)
                case 3:
                    # A break: the next stream begins anywhere after what is known.
                    sent = chance.randint(accepted, sent)
            assert items.stored == items.accepted_seq == accepted
            assert items.settled == (accepted == given)
        while (run := items.run_from(sent + 1, given)) is not None:
            sent += len(run.items)
        items.accept(sent, 0)
        assert items.settled and sent == given and items.bytes == 0


def test_cuts_a_large_item_into_parts_that_make_it_up() -> None:
    for size in (1_048_513, 1_048_480 * 3, 1_048_480 * 3 + 1):
        item = random.Random(size).randbytes(size)
        cut = list(parts(1 << 50, item))
        assert b"".join(frame.items[0] for frame in cut) == item
        assert all(frame.ByteSize() <= 1 << 20 and len(frame.items) == 1 for frame in cut)
        assert [frame.part.offset for frame in cut] == [n * 1_048_480 for n in range(len(cut))]
