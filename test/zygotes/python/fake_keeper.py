"""A keeper in Python, for tests of what it starts: the links, files and births of docs/FORK-SERVERS.md."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parents[3]
MAIN = ROOT / "server" / "zygotes" / "python" / "main.py"
FORK_LIBRARY = ROOT / "dist" / "native" / "forkbus-fork.so"

_DEADLINE_S = 60
_PR_SET_CHILD_SUBREAPER = 36
_BLANK: dict[str, Any] = {
    "title": "forkbus: test",
    "env": None,
    "workingDir": None,
    "umask": None,
    "cpus": None,
    "rlimits": [],
    "searchPath": [],
    "preload": [],
    "init": None,
}


def function(name: str, encoding: str = "json", result: str = "json", **more: str) -> dict[str, str]:
    return {"function": name, "encoding": encoding, "resultEncoding": result, **more}


class Refused(Exception):
    """`X`: the fork server did not fork; its errno and its words."""


class NeverBorn(Exception):
    """The link ended without a birth."""


class StepFailed(Exception):
    """`E`: the step and the errno."""


class Process:
    """A process that this keeper started or had forked."""

    def __init__(self, keeper: FakeKeeper, id: str, link: socket.socket) -> None:
        self.keeper = keeper
        self.id = id
        self.link = link
        self.directory = keeper.directory / id
        self.directory.mkdir()
        self.pid = 0
        self.moments: dict[str, int] = {}
        self._status: Optional[int] = None

    def receive(self) -> tuple[str, bytes]:
        """The next message; ("", b"") at the end of the link. Who sent it is checked."""
        try:
            packet, ancillary, _flags, _address = self.link.recvmsg(513, socket.CMSG_SPACE(12))
        except ConnectionResetError:
            return "", b""
        assert len(packet) <= 512
        if not packet:
            return "", b""
        [sender] = [struct.unpack("3i", data)[0] for _level, kind, data in ancillary if kind == 2]
        if packet[:1] == b"B":
            self.pid = sender
        assert sender == self.pid, (packet, sender, self.pid)
        return packet[:1].decode(), packet[1:]

    def expect(self, *kinds: str) -> None:
        """Receives these messages, in this order."""
        for expected in kinds:
            kind, content = self.receive()
            if kind == "E":
                raise StepFailed(*struct.unpack("<II", content))
            assert kind == expected, (kind, content, expected, self.stderr())
            if kind in "BSL":
                *first, last = struct.unpack(f"<{len(content) // 8}Q", content)
                self.moments[kind] = last
                if first:
                    self.moments["asked"] = first[0]

    def expect_end(self) -> None:
        kind, content = self.receive()
        assert kind == "", (kind, content)

    def wait(self) -> int:
        """Its exit code, or minus the signal that ended it."""
        if self._status is None:
            _pid, status = os.waitpid(self.pid, 0)
            self._status = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
            self.keeper.unreaped.discard(self.pid)
        return self._status

    def finish(self) -> int:
        """Lets it run to its end; what it says on its link until then is kept as moments."""
        code = self.wait()
        with contextlib.suppress(AssertionError):
            self.expect("L")
        return code

    def result(self) -> Optional[dict[str, Any]]:
        """The line of its result file, with the bytes as `data`; None when there is no finished one."""
        content = (self.directory / "result").read_bytes()
        line, newline, data = content.partition(b"\n")
        if not newline:
            return None
        parsed: dict[str, Any] = json.loads(line)
        if len(data) < parsed["bytes"]:
            return None
        assert len(data) == parsed["bytes"]
        return {**parsed, "data": data}

    def value(self) -> Any:
        """What its target returned, from JSON."""
        code, result = self.wait(), self.result()
        assert code == 0 and result is not None and result["kind"] == "value", (code, result, self.stderr())
        return json.loads(result["data"])

    def stdout(self) -> str:
        return self._output("stdout")

    def stderr(self) -> str:
        return self._output("stderr")

    def _output(self, name: str) -> str:
        """Empty before the process has been told to go."""
        path = self.directory / name
        return path.read_text() if path.exists() else ""

    def files(self) -> list[int]:
        """Standard input, output and error, opened as the keeper does."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        outputs = [os.open(self.directory / name, flags, 0o600) for name in ("stdout", "stderr")]
        return [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), *outputs]

    def result_file(self) -> int:
        return os.open(self.directory / "result", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


class FakeKeeper:
    """Owns a directory and all processes below it, which end with it."""

    def __init__(self, python: str = sys.executable, fork_library: Optional[Path] = FORK_LIBRARY) -> None:
        self.python = python
        self.fork_library = fork_library
        self.directory = Path(tempfile.mkdtemp(prefix="forkbus-keeper-"))
        self.unreaped: set[int] = set()
        self._links: list[socket.socket] = []
        for inherited in os.listdir("/proc/self/fd"):
            # As for a real keeper: what it has open is its own.
            with contextlib.suppress(OSError):
                os.set_inheritable(int(inherited), int(inherited) <= 2)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def __enter__(self) -> FakeKeeper:
        return self

    def __exit__(self, *_error: object) -> None:
        for link in self._links:
            link.close()
        for pid in self.unreaped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        shutil.rmtree(self.directory)

    def template(self, *preload: str, kind: str = "zygote", **more: Any) -> dict[str, Any]:
        keep = {"keepFds": []} if kind == "zygote" else {}
        return {**_BLANK, **keep, "kind": kind, "name": "test", "preload": list(preload), **self._named_fork_library(), **more}

    def work(self, target: Any, **more: Any) -> dict[str, Any]:
        """A worker's specification, for a target or the name of one that speaks JSON."""
        named = function(target) if isinstance(target, str) else target
        return {**_BLANK, "kind": "worker", "name": "test", "target": named, "mainPath": None, **self._named_fork_library(), **more}

    def spawn(self, spec: dict[str, Any], arguments: bytes = b"", env: Optional[dict[str, str]] = None) -> Process:
        """Executes the interpreter with everything in place."""
        process, theirs = self._prepare()
        memory = self._memory(spec, process.id, arguments)
        given = [*process.files(), theirs.detach(), process.result_file(), memory]
        high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 20) for each in given]
        for each in given:
            os.close(each)
        actions = [(os.POSIX_SPAWN_DUP2, each, number) for number, each in enumerate(high)]
        environment = {**(os.environ if env is None else env), "FORKBUS_PROCESS_ID": process.id}
        process.pid = os.posix_spawn(
            self.python, [self.python, str(MAIN)], environment, file_actions=actions, setsid=True, setsigmask=[]
        )
        self.unreaped.add(process.pid)
        for each in high:
            os.close(each)
        return process

    def ready(self, *preload: str, arguments: bytes = b"", **more: Any) -> Process:
        """A zygote that serves."""
        zygote = self.spawn(self.template(*preload, **more), arguments)
        zygote.expect("S", "R")
        return zygote

    def order(self, server: Process, leaf: Optional[int] = None, held: bool = False) -> Process:
        """Sends `F`, with the directory of a leaf if any; the answer is yet to come. A held child gets its go later."""
        process, theirs = self._prepare()
        socket.send_fds(server.link, [b"F" + bytes.fromhex(process.id) + (b"\x01" if held else b"")], [theirs.fileno()] + ([] if leaf is None else [leaf]))
        theirs.close()
        return process

    def born(self, process: Process, server: Process) -> None:
        """Waits for the `B` of an ordered process, or the refusal of its server."""
        try:
            process.expect("B")
        except AssertionError:
            # The link has ended.
            kind, content = server.receive()
            if kind != "X":
                raise NeverBorn from None
            assert content[:16].hex() == process.id
            raise Refused(struct.unpack("<I", content[16:20])[0], content[20:].decode()) from None
        self.unreaped.add(process.pid)
        status = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        assert int(status[1]) == os.getpid(), "A worker's parent is the keeper"
        assert int(status[3]) == process.pid, "A worker is born in its own session"

    def go(self, process: Process, spec: dict[str, Any], arguments: bytes = b"") -> None:
        descriptors = [self._memory(spec, process.id, arguments), process.result_file(), *process.files()]
        socket.send_fds(process.link, [b"G"], descriptors)
        for each in descriptors:
            os.close(each)

    def fork(self, server: Process, spec: dict[str, Any], arguments: bytes = b"") -> Process:
        """A worker, or a child template, forked as a real keeper does; it is specialised when this returns."""
        process = self.order(server)
        self.born(process, server)
        self.go(process, spec, arguments)
        process.expect("S")
        return process

    def _prepare(self) -> tuple[Process, socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.settimeout(_DEADLINE_S)
        self._links.append(ours)
        return Process(self, uuid.uuid4().hex, ours), theirs

    def _named_fork_library(self) -> dict[str, Any]:
        return {"forkLibrary": None if self.fork_library is None else str(self.fork_library)}

    @staticmethod
    def _memory(spec: dict[str, Any], id: str, arguments: bytes) -> int:
        text = json.dumps({**spec, "id": id}).encode()
        memory = os.memfd_create("specification")
        content = struct.pack("<I", len(text)) + text + arguments
        assert os.write(memory, content) == len(content)
        return memory
