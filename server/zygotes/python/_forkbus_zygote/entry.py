"""What this process is: a zygote, a worker, or first the one and then the other."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from .link import LINK_FD, RESULT_FD, SPECIFICATION_FD, Link
from .main_module import begin_empty_main
from .own_memory import OwnMemory
from .stdio import register_flush, write_lines_at_once
from .serving import fork_server
from .worker import adopt, run_worker


_former: list[object] = []


def run() -> NoReturn:
    for number in (LINK_FD, RESULT_FD):
        os.set_inheritable(number, False)
    sys.argv[:] = [""]
    begin_empty_main()
    write_lines_at_once()
    register_flush()
    memory = OwnMemory()
    link = Link(LINK_FD)
    spec = adopt(link, SPECIFICATION_FD, memory)
    if spec.kind == "worker":
        run_worker(spec, link, memory)
    # Workers have no use for what only zygotes load.
    from . import ready_for_workers  # noqa: F401
    from .zygote import run_zygote

    serve = fork_server(link, spec.fork_library, memory)
    while spec.kind == "zygote":
        born = run_zygote(spec, link, serve, memory)
        # From here on in a forked child, which keeps what was the zygote's: to free it would copy its pages.
        _former.append((born, spec))
        spec = adopt(link, born.specification_fd, memory)
    run_worker(spec, link, memory)
