"""What a program may ask when it is a worker, and what that costs one that is preloaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from daemon_harness import Daemon
from forkbus import Client

INSIDE = {"FORKBUS_PROCESS_ID": "0123456789abcdef0123456789abcdef", "FORKBUS_PROCESS": "resize-1"}

LOADED = """
import json, os, sys

def state():
    # But for the one that lists them.
    descriptors = [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
    return len(os.listdir("/proc/self/task")), descriptors

before = state()
import forkbus.worker
from forkbus import worker
light = sorted(name for name in sys.modules if name.partition(".")[0] in ("grpc", "google", "forkbus"))
between = state()
forkbus.connect, forkbus.Client
print(json.dumps([before, between, state(), light, "grpc" in sys.modules]))
"""

ATTRIBUTES = """
import json
from forkbus import worker
try:
    seen = [worker.is_worker, worker.id, worker.name, worker.address, worker.arguments]
except AttributeError as error:
    seen = [worker.is_worker, str(error)]
try:
    worker.serve_forks()
except RuntimeError as error:
    seen.append(str(error))
print(json.dumps(seen))
"""

FORKED = """
import json, os, sys
from forkbus import worker
first = worker.client()
assert worker.client() is first
name = first.queue("of-the-family", codec="json").name
if sys.argv[1] == "close":
    worker._close()
sys.stdout.flush()
child = os.fork()
with worker.client().open_queue(name, codec="json") as queue:
    if child == 0:
        # This is about the fork: the child has not waited for any thread of its parent.
        queue.put(worker.client() is not first)
        worker.client().close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert (worker.client() is first) == (sys.argv[1] == "keep")
    print(json.dumps(queue.get(timeout=10)))
"""


def run(program: str, *args: str, **env: str) -> Any:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FORKBUS_")}
    command = [sys.executable, "-W", "error", "-c", program, *args]
    done = subprocess.run(command, capture_output=True, text=True, env={**clean, **env}, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_opens_nothing_and_starts_nothing_where_it_is_preloaded() -> None:
    before, between, after, light, all_loaded = run(LOADED)
    assert before[0] == 1
    assert before == between == after
    assert light == ["forkbus", "forkbus.worker"]
    assert all_loaded


def test_tells_a_worker_what_it_is() -> None:
    given = run(ATTRIBUTES, FORKBUS_ADDRESS="unix:/run/x.sock", **INSIDE)
    no_forks = "Only a worker whose function forkbus calls can serve forks"
    assert given == [True, INSIDE["FORKBUS_PROCESS_ID"], "resize-1", "unix:/run/x.sock", None, no_forks]
    outside = run(ATTRIBUTES)
    assert outside == [False, "This program is not a worker of forkbus: FORKBUS_PROCESS_ID is not set", no_forks]


def test_connects_once_and_anew_after_a_fork(shared_daemon: Daemon, bus: Client) -> None:
    assert run(FORKED, "close", FORKBUS_ADDRESS=shared_daemon.address) is True
    assert run("from forkbus import *\nprint(1 if connect and Client else 0)") == 1
