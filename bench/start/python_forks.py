"""Python's ways of forking workers: a command and an answer are a line of JSON.

    python3 python_forks_program.py forkserver|fork

With `python3 -c "import python_forks; python_forks.main()" forkserver` there is no main script that each worker of
multiprocessing would run again: the best that it can do.
"""

import gc
import importlib
import json
import multiprocessing
import os
import sys
import tempfile
import time

from python_starts import MultiProcessing, expect, run
from worker_functions import PRELOADS, first_line, idle, nothing


class ForkServer(MultiProcessing):
    """multiprocessing's start method `forkserver`, with everything loaded in its server."""

    def __init__(self):
        super().__init__("forkserver", nothing)
        self.context.set_forkserver_preload([*PRELOADS, "worker_functions"])
        self.idlers = []

    def first_lines(self, count):
        samples = []
        with tempfile.TemporaryDirectory(prefix="forkbus-bench-") as directory:
            path = os.path.join(directory, "moment")
            for _ in range(count):
                began = time.monotonic_ns()
                child = self.context.Process(target=first_line, args=(path,))
                child.start()
                child.join()
                expect("first_line()", child.exitcode)
                with open(path) as file:
                    samples.append((int(file.read()) - began) / 1e6)
        return {"samples_ms": samples}

    def start_idle(self, count):
        self.idlers = [self.context.Process(target=idle) for _ in range(count)]
        for child in self.idlers:
            child.start()
        return {"pids": [child.pid for child in self.idlers]}

    def end_idle(self):
        for child in self.idlers:
            child.kill()
            child.join()
        return {"pids": []}


class BareFork:
    """As little as can be, from a process that has the same loaded: os.fork, os._exit in the child, os.wait."""

    def __init__(self):
        for name in PRELOADS:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()

    def start(self):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        return pid, pid

    def wait_any(self, running):
        pid, status = os.wait()
        expect("the child", os.waitstatus_to_exitcode(status))
        return pid


def answer(way, command):
    if "firstLines" in command:
        return way.first_lines(command["firstLines"])
    if "idle" in command:
        return way.start_idle(command["idle"]) if command["idle"] > 0 else way.end_idle()
    return run(way, command["count"], command["inFlight"])


def main():
    way = {"forkserver": ForkServer, "fork": BareFork}[sys.argv[1]]()
    for line in sys.stdin:
        print(json.dumps(answer(way, json.loads(line))), flush=True)
