import os

ENDS = os.pipe()
