"""Programs beside the test."""

from __future__ import annotations

import os
import subprocess
import sys


class Child:
    """A Python program of its own that uses the client, and talks to the test in lines."""

    def __init__(self, address: str, program: str, *args: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, "FORKBUS_ADDRESS": address},
        )

    def read(self) -> str:
        """The next line, without its end; empty when there is none."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")

    def end(self) -> int:
        """Closes its input, and returns its exit code."""
        self.process.communicate(timeout=30)
        return self.process.returncode
