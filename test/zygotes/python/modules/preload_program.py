import subprocess

PROGRAM = subprocess.Popen(["sleep", "600"])
