"""Daemons for tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from eventually import eventually
from forkbus import connect

ROOT = Path(__file__).resolve().parents[3]


class Daemon:
    """A built daemon on its own socket, in its own directory. Stopping it ends its workers and its keeper."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="forkbus-python-"))
        self.address = f"unix:{self.directory}/run/forkbus.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with open(self.directory / "daemon.log", "ab") as log:
            self._process = subprocess.Popen(
                [
                    *("node", str(ROOT / "dist" / "server" / "main.js"), "--listen", self.address),
                    *("--state-dir", str(self.directory / "state")),
                ],
                stdout=log,
                stderr=log,
            )
        process = self._process
        try:
            connect(self.address, timeout=20).close()
        except Exception:
            log_text = (self.directory / "daemon.log").read_text()
            self.stop()
            raise AssertionError(log_text) from None

    def kill(self) -> None:
        """As the power cord would."""
        self._end(signal.SIGKILL)

    def crash(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> None:
        self._end(signal.SIGKILL)
        keeper = self._keeper_pid()
        if keeper is not None:
            eventually(lambda: _has_ended(keeper), f"keeper {keeper} to end")
        shutil.rmtree(self.directory)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait()

    def _keeper_pid(self) -> int | None:
        try:
            return int((self.directory / "state" / "workers" / "keeper.lock").read_text().split("\n")[0])
        except (FileNotFoundError, ValueError):
            return None


def _has_ended(keeper: int) -> bool:
    """The first signal asks its workers to end, the second one does not ask."""
    alive = _is_keeper(keeper)
    if alive:
        os.kill(keeper, signal.SIGTERM)
    return not alive


def _is_keeper(pid: int) -> bool:
    """A pid alone names nothing: it must still be the keeper's program, and not what is left of it."""
    try:
        name, _, state = Path(f"/proc/{pid}/stat").read_text().partition(" (")[2].partition(") ")
    except FileNotFoundError:
        return False
    return name == "forkbus-keeper" and state[0] not in "ZX"
