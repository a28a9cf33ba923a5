"""What a worker may need, loaded by the zygote once for all of them."""

import linecache  # noqa: F401
import pickle  # noqa: F401
import random  # noqa: F401
import threading  # noqa: F401
import traceback  # noqa: F401
