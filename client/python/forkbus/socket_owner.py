"""Whose sockets are trusted."""

from __future__ import annotations

import os

from .errors import PermissionDeniedError


def refuse_foreign_socket(path: str, uid: int) -> None:
    """Refuses a default socket in somebody else's directory.

    Whoever made `/tmp/forkbus-UID` before us could listen there, and would be told what we run. Where nothing is there,
    connecting finds that out.
    """
    directory = os.path.dirname(path)
    try:
        owner = os.stat(directory).st_uid
    except (FileNotFoundError, NotADirectoryError):
        return
    if owner in (uid, 0):
        return
    raise PermissionDeniedError(
        f"{directory} belongs to user {owner}: no socket in it is trusted. Give the address of the daemon",
        code="PERMISSION_DENIED",
    )
