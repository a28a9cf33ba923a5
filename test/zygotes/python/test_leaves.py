"""Where a forked worker is when it is born: nobody moves it here."""

from __future__ import annotations

import os
import signal
import unittest
import uuid
from pathlib import Path
from typing import Optional

from fake_keeper import FakeKeeper, Process, Refused
from zygote_case import MODULES, ZygoteCase, eventually


def own_group() -> Optional[Path]:
    """The cgroup (v2) of this process, where groups can be made in it."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup2 " in line]
    [path] = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")] or [""]
    if not mounts:
        return None
    group = Path(mounts[0][4]) / path.lstrip("/")
    return group if os.access(group / "cgroup.procs", os.W_OK) else None


def group_of(pid: int) -> str:
    [path] = [line for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line.startswith("0::")]
    return path.rpartition("/")[2]


def descriptors(pid: int) -> dict[str, str]:
    return {each: os.readlink(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd")}


class Leaves(ZygoteCase):
    def setUp(self) -> None:
        super().setUp()
        group = own_group()
        if group is None:
            self.skipTest("no cgroup v2 in which groups can be made")
        self.leaf = group / f"forkbus-test-{uuid.uuid4().hex}"
        self.leaf.mkdir()
        self.addCleanup(self._remove_leaf)
        self.directory = os.open(self.leaf, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.addCleanup(os.close, self.directory)

    def _remove_leaf(self) -> None:
        # What is in it ends with its link, and what has ended is no longer in it.
        for process in self.leaf.joinpath("cgroup.procs").read_text().split():
            os.kill(int(process), signal.SIGKILL)
        eventually(lambda: not self.leaf.joinpath("cgroup.procs").read_text())
        self.leaf.rmdir()

    def born(self, server: Process, leaf: Optional[int]) -> Process:
        worker = self.keeper.order(server, leaf)
        self.keeper.born(worker, server)
        return worker

    def run_to_its_end(self, worker: Process) -> None:
        self.keeper.go(worker, self.keeper.work("targets:echo", searchPath=[MODULES]), b"[5]")
        self.assertEqual(worker.value(), [[5], {}])

    def test_are_where_workers_are_born(self) -> None:
        server = self.zygote()
        for _ in range(3):
            worker = self.born(server, self.directory)
            self.assertEqual(group_of(worker.pid), self.leaf.name)
            self.assertNotEqual(group_of(server.pid), self.leaf.name)
            self.assertEqual(self.leaf.joinpath("cgroup.procs").read_text().split(), [str(worker.pid)])
            self.run_to_its_end(worker)

    def test_of_live_workers_are_not_those_of_their_children(self) -> None:
        worker = self.fork(self.zygote(), "targets:serve")
        worker.expect("L", "R")
        child = self.born(worker, self.directory)
        self.assertEqual(group_of(child.pid), self.leaf.name)
        self.assertNotEqual(group_of(worker.pid), self.leaf.name)

    def test_leave_no_descriptor_behind(self) -> None:
        server = self.zygote()
        before = descriptors(server.pid)
        for leaf in (self.directory, None, self.directory):
            worker = self.born(server, leaf)
            numbers = descriptors(worker.pid)
            self.assertNotIn(str(self.leaf), numbers.values())
            self.assertEqual(numbers.keys(), before.keys())
            self.run_to_its_end(worker)
        eventually(lambda: descriptors(server.pid) == before)

    def test_that_are_none_are_done_without(self) -> None:
        server = self.zygote()
        before = descriptors(server.pid)
        folder = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.addCleanup(os.close, folder)
        gone = self.leaf.with_name(f"forkbus-test-{uuid.uuid4().hex}")
        gone.mkdir()
        removed = os.open(gone, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.addCleanup(os.close, removed)
        gone.rmdir()
        for leaf in (folder, removed):
            worker = self.born(server, leaf)
            self.assertEqual(group_of(worker.pid), group_of(server.pid))
            self.run_to_its_end(worker)
        eventually(lambda: descriptors(server.pid) == before)

    def test_are_left_alone_without_the_fork_library(self) -> None:
        with FakeKeeper(fork_library=None) as keeper:
            server = keeper.ready()
            before = descriptors(server.pid)
            worker = keeper.order(server, self.directory)
            keeper.born(worker, server)
            self.assertEqual(group_of(worker.pid), group_of(server.pid))
            self.assertNotIn(str(self.leaf), descriptors(worker.pid).values())
            eventually(lambda: descriptors(server.pid) == before)

    @unittest.skipIf(os.getuid() != 0, "needs to be root to become somebody else")
    def test_that_belong_to_somebody_else_are_done_without(self) -> None:
        server = self.fork(self.zygote(), "targets:serve_as_somebody_else")
        server.expect("L", "R")
        worker = self.born(server, self.directory)
        self.assertEqual(group_of(worker.pid), group_of(server.pid))
        self.assertNotIn(str(self.leaf), descriptors(worker.pid).values())
        eventually(lambda: str(self.leaf) not in descriptors(server.pid).values())

    def test_are_closed_when_a_fork_is_refused(self) -> None:
        server = self.fork(self.zygote(), "targets:starts_a_thread_later")
        server.expect("L", "R")
        os.kill(server.pid, signal.SIGUSR1)
        eventually(lambda: len(os.listdir(f"/proc/{server.pid}/task")) == 2)
        with self.assertRaises(Refused):
            self.born(server, self.directory)
        eventually(lambda: str(self.leaf) not in descriptors(server.pid).values())
        self.assertEqual(self.leaf.joinpath("cgroup.procs").read_text(), "")


class Processors(ZygoteCase):
    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
    def test_are_known_to_the_c_library_of_a_worker(self) -> None:
        server = self.zygote()
        cpus = sorted(os.sched_getaffinity(0))[:2]
        self.assertEqual(self.fork(server, "targets:processors", cpus).value(), cpus)


if __name__ == "__main__":
    unittest.main()
