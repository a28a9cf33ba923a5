"""Starts programs in one of Python's ways, named by the first argument; a command and an answer are a line of JSON."""

import json
import multiprocessing
import multiprocessing.connection
import os
import subprocess
import sys
import time

from worker_functions import nothing


def expect(what, code):
    if code != 0:
        raise RuntimeError(f"{what}: exit code {code}")


class PosixSpawn:
    """As little as can be: posix_spawn and wait."""

    def start(self):
        pid = os.posix_spawn("/bin/true", ["/bin/true"], {})
        return pid, pid

    def wait_any(self, running):
        pid, status = os.wait()
        expect("/bin/true", os.waitstatus_to_exitcode(status))
        return pid


class Popen:
    def start(self):
        child = subprocess.Popen(
            ["/bin/true"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return child.pid, child

    def wait_any(self, running):
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT).si_pid
        expect("/bin/true", running[ended].wait())
        return ended


class MultiProcessing:
    """One of multiprocessing's start methods, with a function that does nothing."""

    def __init__(self, method, nothing):
        self.context = multiprocessing.get_context(method)
        self.nothing = nothing

    def start(self):
        child = self.context.Process(target=self.nothing)
        child.start()
        return child.sentinel, child

    def wait_any(self, running):
        sentinel = multiprocessing.connection.wait(list(running))[0]
        child = running[sentinel]
        child.join()
        expect("nothing()", child.exitcode)
        return sentinel


def spawn():
    """The start method `spawn`: a fresh interpreter."""
    return MultiProcessing("spawn", nothing)


def run(way, count, in_flight):
    samples = []
    began_at = {}
    running = {}
    started = 0
    began = time.perf_counter()
    while started < count or running:
        if started < count and len(running) < in_flight:
            now = time.perf_counter()
            key, child = way.start()
            running[key] = child
            began_at[key] = now
            started += 1
            continue
        key = way.wait_any(running)
        samples.append((time.perf_counter() - began_at.pop(key)) * 1000)
        del running[key]
    return {"samples_ms": samples, "elapsed_ms": (time.perf_counter() - began) * 1000}


def main():
    way = {"posix_spawn": PosixSpawn, "Popen": Popen, "spawn": spawn}[sys.argv[1]]()
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(run(way, command["count"], command["inFlight"])), flush=True)


if __name__ == "__main__":
    main()
