"""What tests are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from child_program import Child
from daemon_harness import Daemon
from fake_daemon import FakeDaemon
from forkbus import Client, connect


@pytest.fixture(scope="module")
def shared_daemon() -> Iterator[Daemon]:
    """One for all tests of a file that leave it as they found it."""
    daemon = Daemon()
    yield daemon
    daemon.stop()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()
    yield daemon
    daemon.stop()


@pytest.fixture
def bus(shared_daemon: Daemon) -> Iterator[Client]:
    with connect(shared_daemon.address) as client:
        yield client


@pytest.fixture
def fake() -> Iterator[FakeDaemon]:
    # What it is never asked is not written.
    with FakeDaemon() as daemon:  # type: ignore[abstract]
        yield daemon


@pytest.fixture
def to_fake(fake: FakeDaemon) -> Iterator[Client]:
    with connect(fake.address, timeout=10) as client:
        yield client


@pytest.fixture
def start_child(shared_daemon: Daemon) -> Iterator[Callable[..., Child]]:
    """Starts programs with the shared daemon, and ends them."""
    children: list[Child] = []

    def start(program: str, *args: str) -> Child:
        children.append(Child(shared_daemon.address, program, *args))
        return children[-1]

    yield start
    for child in children:
        if child.process.poll() is None:
            child.process.kill()
        child.process.communicate()
