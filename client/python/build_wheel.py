"""Builds the wheel into dist/python: this folder, the stubs of proto/, the version of package.json and the licence.

Run by the interpreter of a virtual environment that has requirements.txt: `make python` does.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import build_meta

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "dist" / "python"
STAGE = OUT / "package"


def stage() -> None:
    """A folder that any build front end would take."""
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(HERE / "forkbus", STAGE / "forkbus", ignore=shutil.ignore_patterns("__pycache__"))
    for file in (HERE / "pyproject.toml", HERE / "README.md", ROOT / "LICENSE"):
        shutil.copy(file, STAGE)
    (STAGE / "VERSION").write_text(json.loads((ROOT / "package.json").read_text())["version"])


def generate_stubs() -> None:
    protos = sorted((ROOT / "proto").glob("forkbus/v1/*.proto"))
    # The plugins for types are programs of the same environment.
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}"),
            *(f"--{plugin}_out={STAGE}" for plugin in ("python", "grpc_python")),
            *(f"--{plugin}_out=quiet:{STAGE}" for plugin in ("mypy", "mypy_grpc")),
            *map(str, protos),
        ],
        check=True,
        env={**os.environ, "PATH": path},
    )
    (STAGE / "forkbus" / "v1" / "__init__.py").write_text('"""The messages and services as they are on the wire."""\n')


def build() -> Path:
    for old in OUT.glob("forkbus-*.whl"):
        old.unlink()
    os.chdir(STAGE)
    log = io.StringIO()
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            return OUT / build_meta.build_wheel(str(OUT))
    except BaseException:
        print(log.getvalue(), file=sys.stderr)
        raise


if __name__ == "__main__":
    stage()
    generate_stubs()
    print(f"Built {build().relative_to(ROOT)}")
