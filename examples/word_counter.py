"""A consumer in Python: takes texts from one queue, and puts into another how many words each has.

Started by examples/python-round-trip.ts, as `python word_counter.py TEXTS COUNTS`, with FORKBUS_ADDRESS set.
"""

import sys

from forkbus import connect

texts_name, counts_name = sys.argv[1:]
with connect() as bus:
    texts = bus.open_queue(texts_name, codec="json")
    counts = bus.open_queue(counts_name, codec="json")
    # Ends when the producer has shut the queue down, and everything in it has been taken.
    for text in texts:
        counts.put({"text": text, "words": len(text.split())})
        print(f"counted {text!r}", flush=True)
    counts.shutdown()
