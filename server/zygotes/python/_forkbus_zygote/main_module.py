"""The module `__main__` of a process that has no script of its own."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

# Kept: our own entry's functions live in it.
_replaced: list[ModuleType] = []


def begin_empty_main() -> None:
    """In place of ours, which is nobody's business."""
    _replaced.append(sys.modules["__main__"])
    sys.modules["__main__"] = ModuleType("__main__")


def load_client_main(path: str) -> None:
    """
    Runs a client's script under the name `__mp_main__`, so that what it guards by `if __name__ == "__main__"` is not run,
    and lets `__main__` mean it: pickles that the client made refer to that.
    """
    loaded = sys.modules.get("__mp_main__")
    if loaded is not None and getattr(loaded, "__file__", None) == path:
        sys.modules["__main__"] = loaded
        return
    loader = SourceFileLoader("__mp_main__", path)
    spec = spec_from_file_location("__mp_main__", path, loader=loader)
    if spec is None:
        raise ImportError(f"{path} cannot be loaded", path=path)
    module = module_from_spec(spec)
    before = sys.modules["__main__"]
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules["__main__"] = before
        del sys.modules["__mp_main__"]
        raise
