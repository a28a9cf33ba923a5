"""Starts a Python zygote or worker: `python3 main.py`, with the descriptors of docs/FORK-SERVERS.md in place."""

import os
import sys


def _run():
    here = os.path.dirname(os.path.abspath(__file__))
    # The interpreter has put this folder first, unless it was told not to. Nobody is to find `main` in it.
    if sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(here):
        del sys.path[0]
    sys.path.insert(0, here)
    try:
        from _forkbus_zygote import entry
    finally:
        sys.path.remove(here)
    entry.run()


if __name__ == "__main__":
    _run()
