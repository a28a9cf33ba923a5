"""What a forked worker is, and what it does not share with its siblings by accident."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import unittest
from pathlib import Path

from fake_keeper import Process, StepFailed, function
from zygote_case import MODULES, ZygoteCase, eventually

SHORT = os.environ.get("FORKBUS_SOAK") != "1"


class Specialising(ZygoteCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = self.zygote("preload_registers", init=function("preload_registers:warm_up"), arguments=b"[]")

    def test_is_what_its_specification_says(self) -> None:
        cpu = max(os.sched_getaffinity(0))
        env = {"PATH": "/bin", "TOWN": "Zürich", "FORKBUS_PROCESS_ID": "as given"}
        worker = self.fork(
            self.server,
            "targets:surroundings",
            env=env,
            cpus=[cpu],
            umask=0o27,
            workingDir=str(self.place),
            rlimits=[[7, "100", "200"], [4, "0", None]] if os.getuid() == 0 else [[7, "100", "200"]],
            title="forkbus: étude",
            name="étude",
        )
        limits = Path(f"/proc/{worker.pid}/limits").read_text()
        seen = worker.value()
        self.assertEqual((seen["env"], seen["cpus"], seen["umask"]), (env, [cpu], 0o27))
        self.assertEqual(seen["cwd"], str(self.place))
        self.assertEqual((seen["cmdline"], seen["comm"]), ("forkbus: étude", "étude"))
        self.assertRegex(limits, r"Max open files +100 +200 ")

    def test_is_the_same_when_it_was_held_before_it_might_go(self) -> None:
        seen = []
        for held in (False, True):
            worker = self.keeper.order(self.server, held=held)
            self.keeper.born(worker, self.server)
            work = self.keeper.work("targets:surroundings", searchPath=[MODULES], env={"TOWN": "Zürich"}, name="étude")
            self.keeper.go(worker, work)
            worker.expect("S")
            surroundings = worker.value()
            self.assertEqual(surroundings.pop("session"), worker.pid)
            self.assertIn(f"FORKBUS_PROCESS_ID={worker.id}", surroundings.pop("initial"))
            seen.append(surroundings)
        [at_once, later] = seen
        self.assertEqual(at_once, later)

    def test_its_id_is_where_the_keeper_looks_for_it(self) -> None:
        for _ in range(2):
            worker = self.keeper.order(self.server)
            self.keeper.born(worker, self.server)
            initial = Path(f"/proc/{worker.pid}/environ").read_text().split("\0")
            self.assertIn(f"FORKBUS_PROCESS_ID={worker.id}", initial)
            self.assertNotIn(f"FORKBUS_PROCESS_ID={self.server.id}", initial)
            worker.link.close()

    def test_has_the_signals_of_a_fresh_interpreter(self) -> None:
        seen = self.fork(self.server, "targets:surroundings").value()
        signals = {name: str(value) for name, value in seen["signals"].items()}
        self.assertIn("default_int_handler", signals["SIGINT"])
        for name, number in (("SIGTERM", "0"), ("SIGUSR1", "0"), ("SIGPIPE", "1")):
            self.assertIn(signals[name].replace("Handlers.SIG_DFL", "0").replace("Handlers.SIG_IGN", "1"), (number,))
        self.assertEqual(seen["mask"], [])
        worker = self.fork(self.server, "targets:wait_for_signal")
        worker.expect("L")
        os.kill(worker.pid, signal.SIGINT)
        self.assertEqual((worker.wait(), worker.result()["type"]), (1, "KeyboardInterrupt"))

    def test_says_which_step_failed(self) -> None:
        for step, number, more in (
            (7, errno.EINVAL, {"rlimits": [[7, "200", "100"]]}),
            (7, errno.EINVAL, {"rlimits": [[4711, "1", "1"]]}),
            (8, errno.EINVAL, {"cpus": [1023]}),
            (10, errno.ENOENT, {"workingDir": "/nowhere"}),
            (14, errno.EINVAL, {"env": {"A=B": "c"}}),
            (14, errno.EINVAL, {"kind": "whatever"}),
        ):
            with self.assertRaises(StepFailed) as raised:
                self.fork(self.server, "targets:echo", **more)
            self.assertEqual(raised.exception.args, (step, number), more)
        for pid in list(self.keeper.unreaped - {self.server.pid}):
            _pid, status = os.waitpid(pid, 0)
            self.keeper.unreaped.discard(pid)
            self.assertEqual(os.WEXITSTATUS(status), 1)

    def test_a_specification_that_is_none(self) -> None:
        worker = self.keeper.order(self.server)
        self.keeper.born(worker, self.server)
        self.keeper._memory = lambda *_: os.memfd_create("empty")  # type: ignore[method-assign]
        self.keeper.go(worker, {})
        with self.assertRaises(StepFailed) as raised:
            worker.expect("S")
        self.assertEqual(raised.exception.args, (14, errno.EINVAL))

    def test_runs_what_preloads_registered_but_removes_nothing_of_theirs(self) -> None:
        for _ in range(2):
            worker = self.fork(self.server, "preload_registers:state")
            [state, exists, _directory] = worker.value()
            self.assertEqual(state, [[], "hook"])
            self.assertTrue(exists)
            self.assertEqual(worker.stdout(), "goodbye of the preload\n")

    def test_finds_modules_that_came_after_the_zygote(self) -> None:
        folder = self.place / "later"
        for number in range(3):
            folder.mkdir(exist_ok=True)
            (folder / f"late_{number}.py").write_text(f"def f(): return {number}\n")
            worker = self.fork(self.server, f"late_{number}:f", searchPath=[str(folder)])
            self.assertEqual(worker.value(), number)


class Siblings(ZygoteCase):
    def test_have_nothing_random_in_common(self) -> None:
        server = self.zygote("targets", init=function("targets:unique"))
        count = 1000
        seen: list[list[str]] = []
        for _ in range(count // 20):
            workers = [self.fork(server, "targets:unique") for _ in range(20)]
            seen += [worker.value() for worker in workers]
        for column in zip(*seen):
            self.assertEqual(len(set(column)), count)

    def test_share_a_log_and_have_their_own_files(self) -> None:
        log = self.place / "shared.log"
        os.environ["SHARED_LOG"] = str(log)
        self.addCleanup(os.environ.pop, "SHARED_LOG")
        server = self.zygote("preload_logging", keepFds=[str(log)])
        workers = [self.fork(server, "targets:log_and_store", str(self.place / f"{n}.db")) for n in range(8)]
        for worker in workers:
            self.assertEqual(worker.value(), [4950, "ok"])
        lines = log.read_text().splitlines()
        self.assertEqual(lines[0], "loaded")
        expected = {f"line {n} of {worker.pid}" for worker in workers for n in range(100)}
        self.assertEqual((len(lines), set(lines[1:])), (801, expected))

    def test_share_a_database_that_is_kept_and_open_none_of_its_numbers(self) -> None:
        path = str(self.place / "shared.db")
        os.environ["SHARED_DATABASE"] = path
        self.addCleanup(os.environ.pop, "SHARED_DATABASE")
        server = self.zygote("preload_database", keepFds=[path])
        kept = server.result()["openFiles"]
        for number in range(4):
            own = str(self.place / f"own-{number}.db")
            shared, opened = self.fork(server, "preload_database:add", number, own).value()
            self.assertEqual(shared, list(range(number + 1)))
            self.assertEqual(sorted(opened), sorted([*kept, own]))
        code = self.fork(server, "preload_database:check").value()
        self.assertEqual(code, "ok")

    def test_end_each_in_its_own_way(self) -> None:
        server = self.zygote("targets")
        before = len(os.listdir(f"/proc/{server.pid}/fd"))
        chance = random.Random(4)
        running: list[tuple[Process, int]] = []
        for _ in range(1000 if SHORT else 5000):
            kind = chance.choice(["exit", "leave", "signal"])
            number = chance.choice([1, 6, 9, 10, 11, 15, 34, 64] if kind == "signal" else range(256))
            worker = self.fork(server, "targets:end_as", kind, number, rlimits=[[4, "0", "0"]])
            running.append((worker, -number if kind == "signal" else number))
            if len(running) == 16:
                self._settle(running)
        self._settle(running)
        self.assertEqual(len(os.listdir(f"/proc/{server.pid}/fd")), before)
        # The last worker may have ended before its server has waited for the process between them.
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        eventually(lambda: children.read_text() == "")
        with self.assertRaises(ChildProcessError):
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            os.waitpid(-1, 0)

    def _settle(self, running: "list[tuple[Process, int]]") -> None:
        for worker, expected in running:
            self.assertEqual(worker.wait(), expected)
            worker.link.close()
        running.clear()


class Memory(ZygoteCase):
    def test_an_idle_worker_has_little_of_its_own(self) -> None:
        server = self.zygote("json", "asyncio", "email", "sqlite3", "unittest", "xml")
        worker = self.fork(server, "signal:pause")
        worker.expect("L")
        eventually(lambda: "\nState:\tS" in Path(f"/proc/{worker.pid}/status").read_text())
        with open(f"/proc/{worker.pid}/smaps_rollup") as rollup:
            fields = dict(line.split()[:2] for line in rollup if line.startswith("Private"))
        private = sum(map(int, fields.values()))
        self.assertLess(private, 2560, json.dumps(fields))
        self.assertGreater(private, 100)


if __name__ == "__main__":
    unittest.main()
