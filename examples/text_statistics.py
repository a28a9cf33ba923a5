"""A Python function that examples/warm-functions.ts calls from Node."""

from collections import Counter


def most_common_words(text, count=3):
    return Counter(text.lower().split()).most_common(count)
