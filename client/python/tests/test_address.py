"""Where a daemon is looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forkbus import PermissionDeniedError, UnavailableError, connect, default_address
from forkbus.address import parse_address
from forkbus.socket_owner import refuse_foreign_socket


def test_goes_by_the_rule_of_the_daemon() -> None:
    assert default_address({}, 0) == "unix:/run/forkbus/forkbus.sock"
    assert default_address({"XDG_RUNTIME_DIR": "/run/user/0"}, 0) == "unix:/run/forkbus/forkbus.sock"
    assert default_address({"XDG_RUNTIME_DIR": "/run/user/7"}, 7) == "unix:/run/user/7/forkbus/forkbus.sock"
    assert default_address({"XDG_RUNTIME_DIR": "relative"}, 7) == "unix:/tmp/forkbus-7/forkbus.sock"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("/run/x.sock", "unix:/run/x.sock"),
        ("unix:///run/x.sock", "unix:/run/x.sock"),
        ("tcp://host:1/", "tcp://host:1"),
        ("tcp://[::1]:65535", "tcp://[::1]:65535"),
    ],
)
def test_reads_what_people_write(text: str, parsed: str) -> None:
    assert str(parse_address(text)) == parsed


@pytest.mark.parametrize(
    "text",
    ["", "host:1", "unix:", "tcp://host", "tcp://host:0", "tcp://host:65536", "tcp://a/b:1", "unix:/" + "x" * 107],
)
def test_refuses_what_is_no_address_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="address|path"):
        parse_address(text)


def test_escapes_what_grpc_would_read_otherwise() -> None:
    assert parse_address("/a b%20").target == "unix:/a%20b%2520"


def test_trusts_no_directory_of_somebody_else(tmp_path: Path) -> None:
    owner = tmp_path.stat().st_uid
    refuse_foreign_socket(str(tmp_path / "forkbus.sock"), owner)
    refuse_foreign_socket(str(tmp_path / "missing" / "forkbus.sock"), 4242)
    if owner == 0:
        refuse_foreign_socket(str(tmp_path / "forkbus.sock"), 4242)
        os.chown(tmp_path, 4243, -1)
    with pytest.raises(PermissionDeniedError, match="no socket in it is trusted"):
        refuse_foreign_socket(str(tmp_path / "forkbus.sock"), 4242)


def test_says_what_to_do_when_nobody_is_there(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/none.sock"
    with pytest.raises(UnavailableError) as caught:
        connect(address)
    assert str(caught.value) == (
        f"No forkbus daemon at {address}: is it running? Start one with `forkbus serve --listen {address}`"
        " (No such file or directory)"
    )


def test_takes_the_address_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORKBUS_ADDRESS", f"unix:{tmp_path}/other.sock")
    with pytest.raises(UnavailableError, match="other.sock"):
        connect()
    monkeypatch.setenv("FORKBUS_ADDRESS", "nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        connect()
