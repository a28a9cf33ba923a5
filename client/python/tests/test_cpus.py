"""CPUs that a worker asks for."""

from __future__ import annotations

import os

import pytest

from forkbus import Client
from forkbus.cpu_request import cpu_request
from forkbus.v1 import process_pb2 as wire


def test_asks_for_them_as_the_api_has_them() -> None:
    assert cpu_request(None) == wire.CpuRequest()
    assert cpu_request("all").policy == wire.CPU_POLICY_NONE
    assert cpu_request(3) == wire.CpuRequest(policy=wire.CPU_POLICY_SHARED, count=3)
    assert cpu_request([0, 2]) == wire.CpuRequest(policy=wire.CPU_POLICY_EXPLICIT, cpus=[0, 2])
    assert cpu_request({"exclusive": 2, "layout": "spread", "wait": 1.5}) == wire.CpuRequest(
        policy=wire.CPU_POLICY_EXCLUSIVE, count=2, layout=wire.CPU_LAYOUT_SPREAD, max_wait_ms=1500
    )


def test_refuses_what_is_no_request() -> None:
    with pytest.raises(ValueError, match="'some'"):
        cpu_request("some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="far"):
        cpu_request({"exclusive": 1, "layout": "far"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="alone"):
        cpu_request({"alone": 1})  # type: ignore[arg-type]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU cannot be shared and exclusive")
def test_has_one_for_itself(bus: Client) -> None:
    with bus.process(argv=["sleep", "60"]).start(), bus.process(
        argv=["sleep", "60"], cpus={"exclusive": 1, "wait": 20.0}
    ).start() as alone:
        with bus.process(argv=["nproc"]).start() as other:
            assert set(alone.cpus).isdisjoint(other.cpus)
