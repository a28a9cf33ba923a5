"""What the test cases share: a keeper each, and a folder of modules for workers."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Callable

from fake_keeper import FakeKeeper, Process

# What is not flushed would be, and what goes wrong then not be seen.
os.environ.pop("PYTHONUNBUFFERED", None)

MODULES = str(Path(__file__).resolve().parent / "modules")


_DEADLINE_S = 20


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "It did not come to that"
        time.sleep(0.002)


class ZygoteCase(unittest.TestCase):
    def setUp(self) -> None:
        self.keeper = FakeKeeper()
        self.addCleanup(self.keeper.__exit__)
        self.place = Path(tempfile.mkdtemp(prefix="forkbus-zygote-test-"))
        self.addCleanup(shutil.rmtree, self.place)

    def zygote(self, *preload: str, **more: Any) -> Process:
        return self.keeper.ready(*preload, searchPath=[MODULES], **more)

    def failed(self, *preload: str, code: int = 1, **more: Any) -> tuple[Process, Any]:
        """A zygote that is expected to fail, and the line that it leaves."""
        zygote = self.keeper.spawn(self.keeper.template(*preload, searchPath=[MODULES], **more))
        zygote.expect("S")
        zygote.expect_end()
        self.assertEqual(zygote.wait(), code)
        return zygote, zygote.result()

    def fork(self, zygote: Process, target: Any, *arguments: Any, **more: Any) -> Process:
        """A worker with arguments in JSON."""
        data = json.dumps(arguments).encode() if arguments else b""
        return self.keeper.fork(zygote, self.keeper.work(target, **{"searchPath": [MODULES], **more}), data)
