"""Puts or gets items through the daemon at $FORKBUS_ADDRESS with the Python client, as the first argument says.

A command and an answer are a line of JSON.
"""

import itertools
import json
import sys
import time

from forkbus import connect
from python_items import Tally, make_items

# Items that are handed to one put_many.
AT_HAND = 1000


def produce(bus, command):
    items = make_items(command["producer"], command["items"], command["size"])
    with bus.open_queue(command["queue"]) as queue:
        first = time.monotonic_ns()
        while at_hand := list(itertools.islice(items, AT_HAND)):
            queue.put_many(at_hand)
    return {"first_put_ns": str(first), "items": command["items"]}


def consume(bus, command):
    tally = Tally(command["size"])
    with bus.open_queue(command["queue"]) as queue:
        for item in queue:
            tally.add(item)
    return tally.answer()


def main():
    work = {"produce": produce, "consume": consume}[sys.argv[1]]
    with connect() as bus:
        for line in sys.stdin:
            print(json.dumps(work(bus, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
