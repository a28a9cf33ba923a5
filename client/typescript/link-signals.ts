export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * A signal that aborts when any source does, until it is disposed. `AbortSignal.any` keeps a composite with a listener
 * for as long as its longest-lived source (Node 20), and the signals of callers may live as long as their program.
 */
export function linkSignals(...sources: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const links = sources.filter((source) => source !== undefined);
  const listeners = links.map((source) => {
    const listener = (): void => {
      controller.abort(source.reason);
    };
    if (source.aborted) listener();
    else source.addEventListener("abort", listener, { once: true });
    return () => {
      source.removeEventListener("abort", listener);
    };
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const unlink of listeners) unlink();
    },
  };
}
