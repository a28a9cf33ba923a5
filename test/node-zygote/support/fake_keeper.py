"""A keeper for tests of what it starts: the links, files and births of docs/FORK-SERVERS.md, nothing else.

Takes orders as lines of JSON on stdin and tells events as such on stdout, for test programs in languages that have no
socket pairs and cannot pass descriptors. Its argument is the directory in which each process gets one of its own.
"""

from __future__ import annotations

import array
import base64
import ctypes
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

PR_SET_CHILD_SUBREAPER = 36
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def tell(event: str, **more: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **more}) + "\n")
    sys.stdout.flush()


class Process:
    def __init__(self, place: Path, order: Dict[str, Any], link: socket.socket) -> None:
        self.id: str = order["id"]
        self.order = order
        self.link: Optional[socket.socket] = link
        self.pid = 0
        self.directory = place / self.id
        self.directory.mkdir()

    def files(self) -> List[int]:
        """The specification, the result file, and standard input, output and error."""
        return [
            memory(self.order),
            os.open(self.directory / "result", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600),
            os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC),
            os.open(self.directory / "stdout", APPEND, 0o600),
            os.open(self.directory / "stderr", APPEND, 0o600),
        ]


def memory(order: Dict[str, Any]) -> int:
    text = json.dumps(order["specification"]).encode()
    content = struct.pack("<I", len(text)) + text + base64.b64decode(order.get("arguments", ""))
    file = os.memfd_create("specification")
    with os.fdopen(os.dup(file), "wb") as writer:
        writer.write(content)
    return file


class Keeper:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.processes: Dict[str, Process] = {}
        self.events = selectors.DefaultSelector()
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def run(self) -> None:
        os.set_blocking(0, False)
        self.events.register(0, selectors.EVENT_READ, self.take_orders)
        self.pending = b""
        while True:
            for key, _mask in self.events.select():
                # What was dealt with before may have closed it.
                if key.fd in self.events.get_map():
                    key.data()

    def take_orders(self) -> None:
        got = os.read(0, 1 << 20)
        if not got:
            self.end()
        *lines, self.pending = (self.pending + got).split(b"\n")
        for line in lines:
            order = json.loads(line)
            getattr(self, order["do"])(order)

    def end(self) -> None:
        for process in self.processes.values():
            if process.pid:
                os.kill(process.pid, signal.SIGKILL)
        sys.exit(0)

    def add(self, order: Dict[str, Any]) -> tuple[Process, socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        process = Process(self.place, order, ours)
        self.processes[process.id] = process
        self.events.register(ours, selectors.EVENT_READ, lambda: self.receive(process))
        return process, theirs

    def spawn(self, order: Dict[str, Any]) -> None:
        process, theirs = self.add(order)
        specification, result, *streams = process.files()
        given = [*streams, theirs.detach(), result, specification]
        high = [os.dup(each) for each in given]
        above = [os.dup2(each, 100 + number, inheritable=False) for number, each in enumerate(high)]
        actions = [(os.POSIX_SPAWN_DUP2, each, number) for number, each in enumerate(above)]
        environment = {**order["env"], "FORKBUS_PROCESS_ID": process.id}
        argv = order["argv"]
        process.pid = os.posix_spawn(argv[0], argv, environment, file_actions=actions, setsid=True)
        for each in [*given, *high, *above]:
            os.close(each)
        self.watch(process)
        tell("started", id=process.id, pid=process.pid)

    def fork(self, order: Dict[str, Any]) -> None:
        process, theirs = self.add(order)
        process.order["ordered"] = time.monotonic_ns()
        server = self.processes[order["server"]].link
        if server is not None:
            leaves = [os.open(each, os.O_RDONLY | os.O_CLOEXEC) for each in [order.get("leaf")] if each is not None]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno(), *leaves]))]
            server.sendmsg([b"F" + bytes.fromhex(process.id)], rights)
            for each in leaves:
                os.close(each)
        theirs.close()

    def go(self, order: Dict[str, Any]) -> None:
        process = self.processes[order["id"]]
        files = process.files()
        if process.link is not None:
            process.link.sendmsg([b"G"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
        for each in files:
            os.close(each)

    def release(self, order: Dict[str, Any]) -> None:
        link = self.processes[order["id"]].link
        if link is not None:
            link.send(b"U")

    def hang_up(self, order: Dict[str, Any]) -> None:
        self.close(self.processes[order["id"]])

    def kill(self, order: Dict[str, Any]) -> None:
        os.kill(self.processes[order["id"]].pid, order["signal"])

    def close(self, process: Process) -> None:
        if process.link is not None:
            self.events.unregister(process.link)
            process.link.close()
            process.link = None

    def receive(self, process: Process) -> bool:
        """One message, if there is one; whether there was."""
        if process.link is None:
            return False
        try:
            packet, ancillary, _flags, _from = process.link.recvmsg(513, 64, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            packet, ancillary = b"", []
        if not packet:
            self.close(process)
            tell("link ended", id=process.id)
            return False
        [sender] = [struct.unpack("3i", data)[0] for _level, kind, data in ancillary if kind == 2]
        if packet[:1] == b"B":
            self.born(process, sender, packet)
        else:
            tell("message", id=process.id, sender=sender, type=packet[:1].decode(), content=packet[1:].hex())
        return True

    def born(self, process: Process, pid: int, packet: bytes) -> None:
        process.pid = pid
        self.watch(process)
        asked, forked = struct.unpack("<2Q", packet[1:])
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        tell(
            "born",
            id=process.id,
            pid=pid,
            askedNs=asked,
            forkedNs=forked,
            isOurs=int(stat[1]) == os.getpid(),
            leadsSession=int(stat[3]) == pid,
            showsId=f"FORKBUS_PROCESS_ID={process.id}".encode() in environment.split(b"\0"),
        )
        if not process.order.get("hold", False):
            self.go(process.order)

    def watch(self, process: Process) -> None:
        pidfd = os.pidfd_open(process.pid)
        self.events.register(pidfd, selectors.EVENT_READ, lambda: self.ended(process, pidfd))

    def ended(self, process: Process, pidfd: int) -> None:
        # What it said before comes before.
        while self.receive(process):
            pass
        self.events.unregister(pidfd)
        os.close(pidfd)
        _pid, status = os.waitpid(process.pid, 0)
        process.pid = 0
        tell("ended", id=process.id, code=os.waitstatus_to_exitcode(status))


Keeper(Path(sys.argv[1])).run()
