/** Where the time up to the first line of user code went, in microseconds; the parts add up to the total. */
export interface StartTimings {
  readonly admissionUs: number;
  readonly pendingUs: number;
  readonly hopUs: number;
  readonly forkUs: number;
  readonly specialiseUs: number;
  readonly firstLineUs: number;
  readonly totalUs: number;
}

/** What the keeper tells of a birth, in nanoseconds on the monotonic clock; 0 where there is no such moment. */
export interface Moments {
  /** The keeper took the order. */
  readonly ordered: bigint;
  /** The fork server took it. */
  readonly asked: bigint;
  /** The first instruction of the child. */
  readonly forked: bigint;
  /** The keeper said go. */
  readonly gone: bigint;
  readonly specialised: bigint;
  /** The target is about to be called. */
  readonly called: bigint;
}

/** What the daemon knows of it, in milliseconds on the same clock. */
export interface CreateMoments {
  readonly arrivedMs: number;
  /** The intent is kept. */
  readonly admittedMs: number;
  /** The order went to the keeper. */
  readonly orderedMs: number;
}

/**
 * A warm worker was made before the create came: then all between the order and the go is a hop. So it is for a spawned
 * one, whose fork (clone, exec, and the start of the interpreter) begins when the keeper has the order.
 */
export function startTimings(daemon: CreateMoments, keeper: Moments): StartTimings {
  const arrived = daemon.arrivedMs * 1000;
  const us = (moment: bigint): number => Number(moment / 1000n);
  const marks: number[] = [daemon.admittedMs * 1000, daemon.orderedMs * 1000];
  const forkedBefore = keeper.forked !== 0n && us(keeper.forked) < arrived;
  if (forkedBefore) marks.push(us(keeper.gone), us(keeper.gone));
  else if (keeper.forked === 0n) marks.push(us(keeper.ordered), us(keeper.gone));
  else marks.push(us(keeper.asked), us(keeper.forked));
  marks.push(us(keeper.specialised), us(keeper.called));
  let last = arrived;
  const parts = marks.map((mark) => {
    // A moment that is missing, or that another clock read a little earlier, takes nothing.
    const part = Math.max(0, mark - last);
    last += part;
    return Math.round(part);
  });
  const [admissionUs = 0, pendingUs = 0, hopUs = 0, forkUs = 0, specialiseUs = 0, firstLineUs = 0] =
    parts;
  const totalUs = parts.reduce((sum, part) => sum + part, 0);
  return { admissionUs, pendingUs, hopUs, forkUs, specialiseUs, firstLineUs, totalUs };
}
