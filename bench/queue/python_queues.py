"""Moves items through one of Python's queues, named by the first argument; a command and an answer are a line of JSON.

Producers and consumers are processes, as many as the second argument says; they are started once, and wait for work.
"""

import json
import multiprocessing
import os
import sys
import threading
import time

HEADER_BYTES = 5
WHOLE_LOOK = 256


def pattern_of(producer, size):
    return bytes((index * 7 + producer) & 0xFF for index in range(size))


def produce(queue, producer, items, size):
    middle = pattern_of(producer, size)[HEADER_BYTES:-1]
    tail = bytes([producer]) + middle
    first = time.monotonic_ns()
    for sequence in range(items):
        queue.put(sequence.to_bytes(4, "little") + tail + bytes([sequence & 0xFF]))
    queue.put(None)
    return {"first_put_ns": str(first), "items": items}


def consume(queue, size):
    count = sequences = 0
    last_of = {}
    last_ns = None
    patterns = {}
    for item in iter(queue.get, None):
        last_ns = time.monotonic_ns()
        sequence = int.from_bytes(item[:4], "little")
        producer = item[4]
        if len(item) != size or item[-1] != sequence & 0xFF:
            raise ValueError(f"Item {sequence} of producer {producer} is damaged")
        if sequence <= last_of.get(producer, -1):
            raise ValueError(f"Item {sequence} of producer {producer} came after a later one")
        last_of[producer] = sequence
        sequences += sequence
        if count % WHOLE_LOOK == 0:
            if producer not in patterns:
                patterns[producer] = pattern_of(producer, size)
            if item[HEADER_BYTES:-1] != patterns[producer][HEADER_BYTES:-1]:
                raise ValueError(f"Item {sequence} of producer {producer} is damaged inside")
        count += 1
    return {
        "last_item_ns": None if last_ns is None else str(last_ns),
        "count": count,
        "bytes": count * size,
        "sequences": sequences,
    }


def end_with_parent():
    """A queue that is waited for has no end of file: all who read it hold its other end too."""
    multiprocessing.parent_process().join()
    os._exit(1)


def work(function, queue, control):
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        while True:
            control.send(function(queue, *control.recv()))
    except EOFError:
        pass


class Workers:
    def __init__(self, context, function, queue, count):
        self.controls = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            context.Process(target=work, args=(function, queue, theirs), daemon=True).start()
            theirs.close()
            self.controls.append(ours)

    def begin(self, arguments):
        self.busy = self.controls[: len(arguments)]
        for control, each in zip(self.busy, arguments):
            control.send(each)

    def answers(self):
        """An EOFError when one has died: its traceback is on stderr."""
        return [control.recv() for control in self.busy]


def main():
    kind, pairs = sys.argv[1], int(sys.argv[2])
    # A fresh interpreter for each, so that none inherits the pipes of another.
    context = multiprocessing.get_context("spawn")
    queue = context.Queue() if kind == "Queue" else context.Manager().Queue()
    producers = Workers(context, produce, queue, pairs)
    consumers = Workers(context, consume, queue, pairs)
    for line in sys.stdin:
        load = json.loads(line)
        indices = range(load["pairs"])
        consumers.begin([(load["size"],) for _ in indices])
        producers.begin([(index, load["itemsEach"], load["size"]) for index in indices])
        answer = {"producers": producers.answers(), "consumers": consumers.answers()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
