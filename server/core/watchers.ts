/** Who wants to be called when something about a key has changed. Callbacks must not throw. */
export class Watchers<Key> {
  readonly #callbacks = new Map<Key, Set<() => void>>();

  /** Calls back at each `wake` of this key until disposed. Another key, or another watch, is not touched by that. */
  watch(key: Key, onWake: () => void): Disposable {
    const callbacks = this.#callbacks.get(key) ?? new Set();
    this.#callbacks.set(key, callbacks);
    // One function may watch twice, and each watch ends on its own.
    const callback = (): void => {
      onWake();
    };
    callbacks.add(callback);
    return {
      [Symbol.dispose]: () => {
        callbacks.delete(callback);
        if (callbacks.size === 0 && this.#callbacks.get(key) === callbacks) {
          this.#callbacks.delete(key);
        }
      },
    };
  }

  /** Those who begin to watch meanwhile are not called. */
  wake(key: Key): void {
    for (const callback of [...(this.#callbacks.get(key) ?? [])]) callback();
  }

  wakeAll(): void {
    for (const key of [...this.#callbacks.keys()]) this.wake(key);
  }
}
