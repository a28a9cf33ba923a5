"""forkbus for Python: processes and queues of a daemon, from any program.

Loading this package loads nothing else. What it gives comes, and gRPC with it, when it is first used: so a worker, or
the zygote that it is forked from, may import `forkbus.worker` at no cost.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .public import *
    from .public import __all__ as __all__
    from .public import __version__ as __version__
else:
    from importlib import import_module as _import_module
    from importlib.util import find_spec as _find_spec

    def __getattr__(name):
        if name in ("__all__", "__version__"):
            return getattr(_import_module(".public", __name__), name)
        if name.startswith("_"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if _find_spec(f"{__name__}.{name}") is not None:
            return _import_module(f".{name}", __name__)
        public = _import_module(".public", __name__)
        if name not in public.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(public, name)
        return value

    def __dir__():
        return sorted({*globals(), *_import_module(".public", __name__).__all__})
