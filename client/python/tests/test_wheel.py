"""The wheel, as somebody would install it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from daemon_harness import ROOT, Daemon

# The newest that the wheel allows; the other tests run with the newest of the major before.
NEWEST = ["grpcio==1.85.1", "protobuf==7.36.2"]

PROGRAM = """
import sys
import forkbus
from google.protobuf import __version__ as protobuf
with forkbus.connect(sys.argv[1]) as bus, bus.queue(codec="json") as queue:
    with bus.process(argv=["echo", "hello"]).start() as child:
        queue.put(child.stdout.text())
        print(queue.get(), forkbus.__version__, protobuf, sep="", end="")
"""


def version() -> str:
    package = json.loads((ROOT / "package.json").read_text())
    assert isinstance(package["version"], str)
    return package["version"]


def wheel() -> Path:
    (found,) = (ROOT / "dist" / "python").glob("forkbus-*.whl")
    return found


def test_has_all_that_it_should_and_nothing_of_this_machine() -> None:
    assert wheel().name == f"forkbus-{version()}-py3-none-any.whl"
    with zipfile.ZipFile(wheel()) as archive:
        names = set(archive.namelist())
        info = f"forkbus-{version()}.dist-info"
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        assert archive.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert {"forkbus/py.typed", "forkbus/v1/queue_pb2.py", "forkbus/v1/queue_pb2_grpc.pyi"} <= names
        assert {name.partition("/")[0] for name in names} == {"forkbus", info}
        assert all(str(ROOT).encode() not in archive.read(name) for name in names)
    assert metadata["Version"] == version()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "## The first program" in metadata.get_payload()
    assert [each.partition("<")[0] for each in metadata.get_all("Requires-Dist", [])] == ["grpcio", "protobuf"]


def test_runs_in_a_fresh_environment(shared_daemon: Daemon, tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=True, symlinks=True)
    python = tmp_path / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    pip += ["--retries", "1", "--timeout", "15"]
    installed = subprocess.run([*pip, str(wheel()), *NEWEST], capture_output=True, text=True)
    if "No matching distribution found for grpcio" in installed.stderr and os.environ.get("CI") != "true":
        pytest.skip("no package index could be reached")
    assert installed.returncode == 0, installed.stderr
    program = [str(python), "-W", "error", "-c", PROGRAM, shared_daemon.address]
    output = subprocess.run(program, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert output == f"hello\n{version()}{NEWEST[1].partition('==')[2]}"


def test_is_typed_and_so_are_its_tests_and_examples() -> None:
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "client" / "python" / "pyproject.toml")]
    command += ["--cache-dir", str(ROOT / "dist" / "python" / "mypy")]
    sources = [ROOT / "client" / "python" / "tests", ROOT / "examples" / "word_counter.py"]
    for what in (["-p", "forkbus"], list(map(str, sources))):
        checked = subprocess.run([*command, *what], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr
