import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { addTotals, expectedTotals } from "./totals.js";
import { getWay, putWay } from "./ways.js";

/** The work of one round: so many producers and as many consumers move items of one size through one queue. */
export interface Load {
  readonly pairs: number;
  readonly size: number;
  /** Of each producer, at most. */
  readonly itemsEach: number;
  /** When producers stop, though they have more. */
  readonly forMs?: number;
}

/** `queue` is what producers and consumers know it by: a name, or the path of a socket. */
export const produceCommand = z.object({
  queue: z.string(),
  way: putWay,
  producer: z.int(),
  items: z.int(),
  size: z.int(),
  forMs: z.number().optional(),
});

export const consumeCommand = z.object({
  queue: z.string(),
  way: getWay,
  size: z.int(),
  /** Of all consumers. */
  total: z.int(),
});

/** Moments are in nanoseconds, as text: they do not fit into a number of JSON. */
export const producerAnswer = z.object({ first_put_ns: z.string(), items: z.int() });

export const consumerAnswer = z.object({
  /** Null when it got nothing. */
  last_item_ns: z.string().nullable(),
  count: z.int(),
  bytes: z.int(),
  sequences: z.int(),
});

export type ProduceCommand = z.infer<typeof produceCommand>;
export type ConsumeCommand = z.infer<typeof consumeCommand>;
export type ProducerAnswer = z.infer<typeof producerAnswer>;
export type ConsumerAnswer = z.infer<typeof consumerAnswer>;

/** Items per second from the first put to the last item received. Throws unless every item arrived once. */
export function rateOf(
  size: number,
  producers: readonly ProducerAnswer[],
  consumers: readonly ConsumerAnswer[],
): number {
  const expected = expectedTotals(
    size,
    producers.map(({ items }) => items),
  );
  const received = addTotals(consumers);
  if (!isDeepStrictEqual(received, expected)) {
    throw new Error(`Put ${JSON.stringify(expected)} and received ${JSON.stringify(received)}`);
  }
  const first = producers.map(({ first_put_ns }) => BigInt(first_put_ns)).reduce(smaller);
  const last = consumers
    .flatMap(({ last_item_ns }) => (last_item_ns === null ? [] : [BigInt(last_item_ns)]))
    .reduce(larger);
  return expected.count / (Number(last - first) / 1e9);
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
