"""Where a worker on this host finds what this program would import."""

from __future__ import annotations

import os.path
import sys
import sysconfig
from pathlib import Path
from types import ModuleType


def default_module_path(module: ModuleType | None = None) -> list[str]:
    """The folder of the main file, the first of `sys.path`, and the one from which `module` was imported.

    Not those that belong to an interpreter, for the worker's may be another one.
    """
    folders = [os.path.abspath(each) for each in [*_folder_of_main(), *sys.path[:1], *_root_of(module)]]
    return [each for each in dict.fromkeys(folders) if os.path.isdir(each) and not _is_of_interpreter(each)]


def _folder_of_main() -> list[str]:
    """None for `python -m package.module`, in whose folder are parts of the package."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    return [os.path.dirname(os.path.realpath(file))] if isinstance(file, str) and main.__spec__ is None else []


def _root_of(module: ModuleType | None) -> list[str]:
    """The folder that holds the module's outermost package."""
    file = getattr(module, "__file__", None)
    if module is None or not isinstance(file, str) or module.__name__ == "__main__":
        return []
    folder = Path(os.path.abspath(file)).parent
    levels = module.__name__.count(".") + hasattr(module, "__path__")
    return [str(folder.parents[levels - 1] if levels > 0 else folder)] if levels <= len(folder.parents) else []


def _is_of_interpreter(folder: str) -> bool:
    own = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts"))
    return any(Path(folder).is_relative_to(os.path.abspath(each)) for each in own)
