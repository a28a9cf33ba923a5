import sys

print("printed by the preload", end="")
sys.stderr.write("and said")
