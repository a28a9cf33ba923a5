/**
 * What all sources yield, as it comes; ends when the last one has ended. A source is asked for its
 * next value only when its last one was taken. Leaving early returns every source.
 */
export async function* merge<T>(sources: readonly AsyncIterable<T>[]): AsyncIterable<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const pending = new Map(iterators.map((iterator) => [iterator, advance(iterator)]));
  try {
    while (pending.size > 0) {
      const { iterator, result } = await Promise.race(pending.values());
      if (result.done === true) {
        pending.delete(iterator);
        continue;
      }
      yield result.value;
      pending.set(iterator, advance(iterator));
    }
  } finally {
    // A source that waits returns when its signal is aborted: nobody waits for that here.
    for (const [iterator, next] of pending) {
      next.catch(() => undefined);
      iterator.return?.().catch(() => undefined);
    }
  }
}

async function advance<T>(
  iterator: AsyncIterator<T>,
): Promise<{ iterator: AsyncIterator<T>; result: IteratorResult<T> }> {
  return { iterator, result: await iterator.next() };
}
