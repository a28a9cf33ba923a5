"""A zygote: what it loads and refuses, what it says, and how it ends."""

from __future__ import annotations

import errno
import os
import platform
import signal
import unittest
from pathlib import Path

from fake_keeper import FORK_LIBRARY, Refused, function
from zygote_case import MODULES, ZygoteCase, eventually

# What measurements name as a heavy preload; each of them must be loadable with nothing left open.
HEAVY = ("json", "asyncio", "email", "sqlite3", "unittest", "xml")


class Loading(ZygoteCase):
    def test_reports_what_it_has_loaded(self) -> None:
        result = self.zygote(*HEAVY).result()
        self.assertEqual((result["kind"], result["canFork"], result["why"]), ("ready", True, ""))
        self.assertEqual(result["runtime"], platform.python_version())
        self.assertEqual([each["name"] for each in result["modules"]], list(HEAVY))
        self.assertGreater(result["modules"][1]["loadUs"], 100)
        self.assertEqual((result["threads"], result["openFiles"]), ([], []))

    def test_is_what_its_specification_says(self) -> None:
        zygote = self.zygote(title="forkbus template: t", name="t")
        self.assertEqual(Path(f"/proc/{zygote.pid}/cmdline").read_text().rstrip("\0"), "forkbus template: t")
        self.assertEqual(Path(f"/proc/{zygote.pid}/comm").read_text(), "t\n")

    def test_calls_init_with_its_arguments(self) -> None:
        zygote = self.zygote("preload_registers", init=function("preload_registers:warm_up"), arguments=b'["warm"]')
        self.assertEqual(zygote.result()["modules"][1]["name"], "preload_registers:warm_up")
        [state, _exists, _name] = self.fork(zygote, "preload_registers:state").value()
        self.assertEqual(state, [["warm"], "hook"])

    def test_fails_with_the_module_that_raised(self) -> None:
        zygote, result = self.failed("json", "preload_raises")
        self.assertEqual((result["kind"], result["module"]), ("failed", "preload_raises"))
        self.assertEqual(result["message"], "preload_raises raised RuntimeError: no such luck")
        self.assertEqual(result["exception"]["type"], "RuntimeError")
        self.assertEqual(result["exception"]["traceback"], zygote.stderr())
        lines = zygote.stderr().splitlines()
        self.assertRegex(lines[1], r'^  File ".*/preload_raises\.py", line 1, in <module>$')
        self.assertEqual((lines[0], lines[-1]), ("Traceback (most recent call last):", "RuntimeError: no such luck"))

    def test_fails_with_a_module_that_does_not_exist(self) -> None:
        _zygote, result = self.failed("nowhere")
        self.assertEqual((result["module"], result["exception"]["type"]), ("nowhere", "ModuleNotFoundError"))

    def test_fails_with_a_module_that_exits(self) -> None:
        _zygote, result = self.failed("preload_leaves")
        self.assertEqual((result["module"], result["exception"]["type"]), ("preload_leaves", "SystemExit"))

    def test_fails_with_an_init_that_raises(self) -> None:
        _zygote, result = self.failed(init=function("targets:refuse"))
        self.assertEqual((result["module"], result["exception"]["type"]), ("targets:refuse", "TypeError"))
        self.assertNotIn("_forkbus_zygote", result["exception"]["traceback"])

    def test_of_a_preload_that_ends_the_process_nothing_is_left(self) -> None:
        _zygote, result = self.failed("preload_dies", code=9)
        self.assertIsNone(result)

    def test_fails_with_the_threads_that_a_preload_started(self) -> None:
        _zygote, result = self.failed("json", "preload_thread", "email")
        self.assertEqual((result["module"], result["threads"]), ("preload_thread", ["busy-bee"]))
        self.assertIn("busy-bee", result["message"])

    def test_waits_for_threads_that_have_ended(self) -> None:
        self.assertEqual(self.zygote("preload_brief_thread").result()["kind"], "ready")

    def test_fails_with_the_programs_that_a_preload_started(self) -> None:
        _zygote, result = self.failed("json", "preload_program", "email")
        self.assertEqual((result["module"], result["threads"], result["openFiles"]), ("preload_program", [], []))
        self.assertRegex(result["message"], r"preload_program started programs, .*: sleep \(\d+\)$")

    def test_programs_that_have_ended_are_no_obstacle(self) -> None:
        zygote = self.zygote("preload_brief_program")
        self.assertEqual(self.fork(zygote, "preload_brief_program:code").value(), 3)

    def test_fails_with_the_database_that_a_preload_left_open(self) -> None:
        path = str(self.place / "shared.db")
        os.environ["SHARED_DATABASE"] = path
        self.addCleanup(os.environ.pop, "SHARED_DATABASE")
        _zygote, result = self.failed("preload_database")
        self.assertEqual(result["openFiles"], [path])
        os.remove(path)
        _zygote, result = self.failed("preload_database", init=function("preload_database:log_ahead"), keepFds=[path])
        self.assertEqual(sorted(result["openFiles"]), [path + "-shm", path + "-wal"])

    def test_what_a_preload_prints_is_printed_once_and_by_the_zygote(self) -> None:
        zygote = self.zygote("preload_prints")
        self.assertEqual((zygote.stdout(), zygote.stderr()), ("printed by the preload", "and said"))
        for _ in range(3):
            worker = self.fork(zygote, "builtins:print", "own")
            self.assertEqual((worker.wait(), worker.stdout(), worker.stderr()), (0, "own\n", ""))

    def test_what_is_printed_before_a_fork_is_the_zygotes_too(self) -> None:
        zygote = self.zygote("preload_prints_at_forks")
        for count in range(1, 4):
            worker = self.fork(zygote, "builtins:print", "own")
            self.assertEqual((worker.wait(), worker.stdout()), (0, "own\n"))
            self.assertEqual(zygote.stdout(), "fork," * count)

    def test_what_is_printed_before_a_fork_is_not_the_workers_without_the_library_either(self) -> None:
        self.keeper.fork_library = None
        zygote = self.zygote("preload_prints_at_forks")
        worker = self.fork(zygote, "builtins:print", "own")
        self.assertEqual((worker.wait(), worker.stdout()), (0, "own\n"))

    def test_fails_with_the_files_that_a_preload_left_open(self) -> None:
        path = str(self.place / "app.log")
        os.environ["SHARED_LOG"] = path
        self.addCleanup(os.environ.pop, "SHARED_LOG")
        _zygote, result = self.failed("preload_logging", "preload_pipe")
        self.assertEqual([result["openFiles"][0], *(each[:5] for each in result["openFiles"][1:])], [path, "pipe:", "pipe:"])
        self.assertIn(path, result["message"])
        _zygote, result = self.failed("preload_logging", "preload_pipe", keepFds=[path])
        self.assertEqual(len(result["openFiles"]), 2)
        _zygote, result = self.failed("preload_logging", "preload_pipe", keepFds=["pipe:*", path[:-1]])
        self.assertEqual(result["openFiles"], [path])
        zygote = self.zygote("preload_logging", "preload_pipe", keepFds=["pipe:*", path[:-1] + "*"])
        self.assertEqual(len(zygote.result()["openFiles"]), 3)

    def test_a_device_may_stay_open(self) -> None:
        zygote = self.zygote(init=function("os:open"), arguments=b'["/dev/null", 0]')
        self.assertEqual(zygote.result()["openFiles"], ["/dev/null"])


class Serving(ZygoteCase):
    def test_has_no_threads_and_nothing_to_collect(self) -> None:
        zygote = self.zygote(*HEAVY)
        self.assertEqual(len(os.listdir(f"/proc/{zygote.pid}/task")), 1)
        self.assertGreater(self.fork(zygote, "gc:get_freeze_count").value(), 10_000)

    def test_ends_with_its_link(self) -> None:
        zygote = self.zygote("preload_registers")
        zygote.link.close()
        self.assertEqual((zygote.wait(), zygote.stdout()), (0, ""))

    def test_ends_by_a_signal(self) -> None:
        zygote = self.zygote("preload_registers", init=function("preload_registers:warm_up"))
        os.kill(zygote.pid, signal.SIGTERM)
        self.assertEqual(zygote.wait(), -signal.SIGTERM)

    def test_workers_outlive_it_with_their_true_status(self) -> None:
        zygote = self.zygote()
        workers = [self.fork(zygote, "targets:wait_for_signal") for _ in range(3)]
        for worker in workers:
            worker.expect("L")
        os.kill(zygote.pid, signal.SIGKILL)
        self.assertEqual(zygote.wait(), -signal.SIGKILL)
        for number, worker in enumerate(workers, signal.SIGUSR1 - 1):
            os.kill(worker.pid, number)
            self.assertEqual(worker.wait(), -number)

    def test_a_child_that_is_never_told_to_go_leaves_without_a_word(self) -> None:
        zygote = self.zygote()
        worker = self.keeper.order(zygote)
        self.keeper.born(worker, zygote)
        worker.link.close()
        self.assertEqual(worker.wait(), 0)

    def test_keeps_no_descriptor_of_a_worker(self) -> None:
        zygote = self.zygote()
        before = sorted(os.listdir(f"/proc/{zygote.pid}/fd"))
        workers = [self.fork(zygote, "targets:wait_for_signal") for _ in range(5)]
        eventually(lambda: sorted(os.listdir(f"/proc/{zygote.pid}/fd")) == before)
        for worker in workers:
            worker.expect("L")
            self.assertEqual(sorted(os.listdir(f"/proc/{worker.pid}/fd")), before)

    def test_says_that_it_could_not_fork(self) -> None:
        zygote = self.zygote(init=function("targets:allow_no_processes"))
        for _ in range(2):
            with self.assertRaises(Refused) as raised:
                self.fork(zygote, "os:getpid")
            self.assertEqual(raised.exception.args, (errno.EAGAIN, os.strerror(errno.EAGAIN)))

    def test_a_template_can_be_forked_from_a_template(self) -> None:
        base = self.zygote("email", name="base")
        child = self.keeper.fork(base, self.keeper.template("sqlite3", searchPath=[MODULES], env=dict(os.environ), name="app"))
        child.expect("R")
        self.assertEqual([each["name"] for each in child.result()["modules"]], ["sqlite3"])
        os.kill(base.pid, signal.SIGKILL)
        base.wait()
        worker = self.fork(child, "targets:surroundings")
        self.assertIn("targets:surroundings", worker.value()["argv"])
        self.assertEqual(Path(f"/proc/{child.pid}/comm").read_text(), "app\n")
        child.link.close()
        self.assertEqual(child.wait(), 0)

    def test_a_child_template_that_fails_leaves_its_parent_alone(self) -> None:
        base = self.zygote()
        child = self.keeper.fork(base, self.keeper.template("preload_raises", searchPath=[MODULES]))
        child.expect_end()
        self.assertEqual((child.wait(), child.result()["module"]), (1, "preload_raises"))
        self.assertEqual(self.fork(base, "targets:echo").value(), [[], {}])

    def test_works_without_the_fork_library(self) -> None:
        for fork_library in (None, self.place / "missing.so"):
            self.keeper.fork_library = fork_library
            zygote = self.zygote()
            for _ in range(5):
                self.assertEqual(self.fork(zygote, "targets:later", 3).value(), 3)
            self.assertEqual("missing.so cannot be used" in zygote.stderr(), fork_library is not None)

    def test_does_not_call_a_fork_library_of_another_version(self) -> None:
        whole = FORK_LIBRARY.read_bytes()
        other = self.place / "other.so"
        # By the name alone: nothing else in it is spelled like that.
        other.write_bytes(whole.replace(b"forkbus_fork_version", b"forkbus_fork_revision"[:20]))
        self.keeper.fork_library = other
        zygote = self.zygote()
        self.assertEqual(self.fork(zygote, "targets:later", 3).value(), 3)
        self.assertIn("other.so cannot be used", zygote.stderr())


if __name__ == "__main__":
    unittest.main()
