"""A preload with a log file that workers are to share."""

import logging
import os

log = logging.getLogger("shared")
_handler = logging.FileHandler(os.environ["SHARED_LOG"])
log.addHandler(_handler)
log.propagate = False
log.warning("loaded")
