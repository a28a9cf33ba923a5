"""The name by which a worker finds a function."""

from __future__ import annotations

import functools
import os.path
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MethodType, ModuleType
from typing import Any

# Under this name a worker has what is `__main__` here.
WORKERS_MAIN = "__mp_main__"


@dataclass(frozen=True)
class FunctionCall:
    """A function of this program by its name, and what it is to be called with."""

    function: str
    """`module:qualname`."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    module: ModuleType
    """In this program."""


def function_call(function: Callable[..., object], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> FunctionCall:
    """How a worker calls what this program would call as `function(*args, **kwargs)`.

    A `functools.partial` is taken apart, and the object of a method becomes its first argument. Raises TypeError for
    what has no name that leads to it: lambdas, functions inside functions, callable objects.
    """
    kwargs = dict(kwargs)
    while True:
        if isinstance(function, functools.partial):
            args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
            function = function.func
        elif isinstance(function, MethodType) and not isinstance(function.__self__, type):
            args, function = (function.__self__, *args), function.__func__
        else:
            break
    name = getattr(function, "__qualname__", None)
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if not isinstance(name, str) or module is None:
        raise TypeError(f"A worker finds a function by its name in a module, which {function!r} has not")
    if "<" in name:
        what = "a lambda" if name.endswith("<lambda>") else "defined inside a function"
        raise TypeError(
            f"A worker finds a function by its name in a module, and {name} is {what}: define it at the top of a module"
        )
    if _found(module, name) != function:
        raise TypeError(f"A worker finds a function by its name, and {module.__name__}:{name} is not {function!r}")
    return FunctionCall(f"{_workers_name(module)}:{name}", args, kwargs, module)


def main_file() -> str:
    """The file of this program, of which a worker makes `__mp_main__`; empty where there is none."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    return os.path.abspath(file) if isinstance(file, str) and os.path.isfile(file) else ""


def know_workers_main() -> None:
    """Lets this program read pickles of workers that name what it defines itself, as `multiprocessing` does."""
    sys.modules.setdefault(WORKERS_MAIN, sys.modules["__main__"])


def _found(module: ModuleType, name: str) -> object:
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _workers_name(module: ModuleType) -> str:
    if module.__name__ != "__main__":
        return module.__name__
    # Of `python -m package.module`; that of a folder or an archive is no name of a module.
    spec = module.__spec__
    if spec is not None and spec.name != "__main__":
        return spec.name
    if main_file() == "":
        raise TypeError("A worker cannot find functions of a program that is no file: put them into a module")
    return WORKERS_MAIN
