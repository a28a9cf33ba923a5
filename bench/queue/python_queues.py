"""Moves items through one of Python's queues, named by the first argument; a command and an answer are a line of JSON.

Producers and consumers are processes, as many as the second argument says; they are started once, and wait for work.
"""

import json
import multiprocessing
import os
import sys
import threading
import time

from python_items import Tally, make_items


def produce(queue, producer, count, size):
    first = time.monotonic_ns()
    for item in make_items(producer, count, size):
        queue.put(item)
    queue.put(None)
    return {"first_put_ns": str(first), "items": count}


def consume(queue, size):
    tally = Tally(size)
    for item in iter(queue.get, None):
        tally.add(item)
    return tally.answer()


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
