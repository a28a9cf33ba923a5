"""A client's own script, whose functions and classes its workers are to find."""

import sys


class Pair:
    def __init__(self, one, two):
        self.one, self.two = one, two


def add(pair):
    return pair.one + pair.two


def swap(pair):
    return Pair(pair.two, pair.one)


if __name__ == "__main__":
    print("the client's program runs")
    sys.exit(1)
