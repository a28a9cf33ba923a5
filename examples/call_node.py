"""A Node function that needs a large library, called from Python in a worker that is forked from a warm template.

With a daemon running: `python call_node.py`.
"""

import subprocess
import time
from pathlib import Path

from forkbus import connect

here = Path(__file__).resolve().parent
module = here / "syntax-count.mjs"


def time_of_subprocess():
    """What it takes in milliseconds to start Node and load the same module."""
    begun = time.monotonic()
    script = "await import(process.argv[1])"
    subprocess.run(["node", "--input-type=module", "-e", script, str(module)], check=True)
    return (time.monotonic() - begun) * 1000


with connect() as bus:
    template = bus.templates.ensure(
        "examples/typescript-from-python", runtime="node", preload=[str(module)], module_path=[str(here)]
    )
    source = "const answer: number = 6 * 7;"
    with bus.spawn(node=f"{module}#syntaxNodes", args=[source], template=template) as worker:
        nodes = worker.result()
        forked = worker.start_timings.total * 1000
        verb = "spawned" if worker.start_method == "spawn" else "forked"
    print(f"Node answered {nodes}; {verb} in {forked:.1f} ms (subprocess: {time_of_subprocess():.0f} ms)")
