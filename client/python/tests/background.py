"""Calls beside the test."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """A call in a thread, and how it ended."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.result: object = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> object:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.result

    def _run(self) -> None:
        try:
            self.result = self._call()
        except Exception as error:
            self.result = error
