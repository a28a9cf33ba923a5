"""A preload that writes before each fork, and leaves what it writes to be flushed."""

import os

os.register_at_fork(before=lambda: print("fork,", end=""))
