"""A way to the daemon that can be cut at any moment."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path


class CuttingProxy:
    """Listens on a Unix socket, and forwards to another. While it holds, answers do not come through."""

    def __init__(self, directory: Path, target: str) -> None:
        self.address = f"unix:{directory}/proxy.sock"
        self._target = target.removeprefix("unix:")
        self._flowing = threading.Event()
        self._flowing.set()
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address.removeprefix("unix:"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        self._flowing.clear()

    def cut(self) -> None:
        """Ends all connections, with what was held, and lets new ones through."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.clear()
        self._flowing.set()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                daemon = socket.socket(socket.AF_UNIX)
                daemon.connect(self._target)
                self._open += [client, daemon]
                threading.Thread(target=self._forward, args=(client, daemon, None), daemon=True).start()
                threading.Thread(target=self._forward, args=(daemon, client, self._flowing), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, flowing: threading.Event | None) -> None:
        with suppress(OSError), source:
            while data := source.recv(65_536):
                if flowing is not None:
                    flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
