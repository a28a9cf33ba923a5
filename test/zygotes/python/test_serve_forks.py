"""Forking from a live worker, with all its state."""

from __future__ import annotations

import errno
import os
import signal
import unittest
from typing import Any

from fake_keeper import Process, Refused
from zygote_case import MODULES, ZygoteCase, eventually


class ServeForks(ZygoteCase):
    def serving(self, target: str = "targets:serve", **more: Any) -> Process:
        worker = self.fork(self.zygote(), target, **more)
        worker.expect("L", "R")
        return worker

    def test_forks_have_the_state_of_their_parent_and_leave_it_alone(self) -> None:
        parent = self.serving()
        children = [self.fork(parent, "targets:calls") for _ in range(3)]
        for child in children:
            self.assertEqual(child.value(), ["served", "forked"])
        parent.link.send(b"U")
        parent.expect("N")
        self.assertEqual(parent.value(), ["served", "returned"])

    def test_a_spawned_worker_can_do_it_as_well(self) -> None:
        parent = self.keeper.spawn(self.keeper.work("targets:serve", searchPath=[MODULES]))
        parent.expect("S", "L", "R")
        child = self.fork(parent, "targets:surroundings", title="forkbus: child", name="child")
        seen = child.value()
        self.assertEqual((seen["cmdline"], seen["comm"], seen["argv"]), ("forkbus: child", "child", ["targets:surroundings"]))
        self.assertEqual(seen["files"], [0, 1, 2, 3, 4])

    def test_a_forked_worker_can_be_forked_in_turn_and_released_twice(self) -> None:
        parent = self.serving()
        child = self.fork(parent, "targets:serve")
        child.expect("L", "R")
        os.kill(parent.pid, signal.SIGKILL)
        grandchild = self.fork(child, "targets:calls")
        self.assertEqual(grandchild.value(), ["served", "served", "forked"])
        child.link.send(b"U")
        child.expect("N")
        self.assertEqual(child.value(), ["served", "served", "returned"])

    def test_is_refused_while_there_are_threads(self) -> None:
        worker = self.fork(self.zygote(), "targets:serve", True)
        worker.expect("L")
        self.assertEqual(worker.wait(), 1)
        result = worker.result()
        self.assertEqual(result["type"], "RuntimeError")
        self.assertIn("busy-bee", result["message"])

    def test_ends_when_the_keeper_is_gone(self) -> None:
        parent = self.serving()
        parent.link.close()
        self.assertEqual(parent.value(), ["served", "returned"])

    def test_forks_keep_the_handlers_of_their_parent(self) -> None:
        parent = self.serving("targets:handles_usr1")
        child = self.fork(parent, "targets:surroundings")
        self.assertIn("usr1", child.value()["signals"]["SIGUSR1"])

    def test_a_child_whose_parent_has_unread_output_does_not_write_it(self) -> None:
        parent = self.serving()
        child = self.fork(parent, "builtins:print", "mine")
        self.assertEqual((child.wait(), child.stdout()), (0, "mine\n"))
        self.assertEqual(parent.stdout(), "")

    def test_a_fork_is_refused_once_there_is_a_thread(self) -> None:
        parent = self.serving("targets:starts_a_thread_later")
        os.kill(parent.pid, signal.SIGUSR1)
        eventually(lambda: len(os.listdir(f"/proc/{parent.pid}/task")) == 2)
        with self.assertRaises(Refused) as raised:
            self.fork(parent, "targets:calls")
        self.assertEqual(raised.exception.args, (errno.EBUSY, "busy-bee"))


if __name__ == "__main__":
    unittest.main()
