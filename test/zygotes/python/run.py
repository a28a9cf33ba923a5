"""Runs these tests with the interpreter that runs it. With a path it writes there how many passed, failed and were skipped."""

from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path


def main() -> int:
    here = Path(__file__).resolve().parent
    suite = unittest.defaultTestLoader.discover(str(here), top_level_dir=str(here))
    result = unittest.TextTestRunner(stream=sys.stdout, warnings="error").run(suite)
    failures = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    pending = len(result.skipped)
    counts = {"passes": result.testsRun - failures - pending, "failures": failures, "pending": pending}
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(counts))
    return 0 if failures == 0 and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
