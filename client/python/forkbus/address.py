"""Where a daemon listens, as text and as a value."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

# The kernel's `sun_path` has 108 bytes, one of which ends the string.
_MAX_SOCKET_PATH_BYTES = 107

_TCP = re.compile(r"tcp://((?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5}))/?")


@dataclass(frozen=True)
class UnixAddress:
    """A Unix socket of this host."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"

    @property
    def target(self) -> str:
        """As gRPC takes it."""
        return f"unix:{quote(self.path)}"


@dataclass(frozen=True)
class TcpAddress:
    """A TCP port: `host:port`."""

    authority: str

    def __str__(self) -> str:
        return f"tcp://{self.authority}"

    @property
    def target(self) -> str:
        """As gRPC takes it."""
        return f"dns:///{self.authority}"


Address = UnixAddress | TcpAddress


def default_address(env: Mapping[str, str], uid: int) -> str:
    """Where the daemon of this user listens unless it was told otherwise.

    Below `$XDG_RUNTIME_DIR` for a user who has one, `/run` for root, `/tmp` for everybody else. The daemon goes by the
    same rule.
    """
    runtime_dir = env.get("XDG_RUNTIME_DIR", "")
    if uid == 0:
        return "unix:/run/forkbus/forkbus.sock"
    if runtime_dir.startswith("/"):
        return f"unix:{runtime_dir}/forkbus/forkbus.sock"
    return f"unix:/tmp/forkbus-{uid}/forkbus.sock"


def parse_address(text: str) -> Address:
    """Reads `unix:/path`, `/path` or `tcp://host:port`; anything else is a ValueError that names it."""
    if text.startswith("tcp://"):
        return _parse_tcp(text)
    if text.startswith("unix:"):
        return _parse_unix(text, text.removeprefix("unix:"))
    if text.startswith("/"):
        return _parse_unix(text, text)
    raise ValueError(f"An address is unix:/path, /path or tcp://host:port, got {text!r}")


def _parse_unix(text: str, after_scheme: str) -> UnixAddress:
    given = after_scheme[2:] if after_scheme.startswith("//") else after_scheme
    if given == "" or "\0" in given:
        raise ValueError(f"The address {text!r} has no path of a socket")
    path = os.path.abspath(given)
    size = len(os.fsencode(path))
    if size > _MAX_SOCKET_PATH_BYTES:
        raise ValueError(f"A socket's path has at most {_MAX_SOCKET_PATH_BYTES} bytes, got {size}: {path}")
    return UnixAddress(path)


def _parse_tcp(text: str) -> TcpAddress:
    match = _TCP.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 65_535:
        raise ValueError(f"A TCP address is tcp://host:port, got {text!r}")
    return TcpAddress(match[1])
