import fc from "fast-check";
import { type QueueSpec } from "../../../server/queues/queue-spec.js";
import { type Credit } from "../../../server/queues/taker.js";
import { type PutMode } from "../../../server/queues/putter.js";

/** What can happen to a queue. */
export type Action =
  | {
      readonly kind: "put";
      readonly sizes: readonly number[];
      readonly mode: PutMode;
      readonly waitMs: number | undefined;
    }
  | {
      readonly kind: "get";
      readonly items: number;
      readonly bytes: number;
      readonly waitMs: number | undefined;
    }
  | {
      readonly kind: "subscribe";
      readonly items: number;
      readonly bytes: number;
      readonly credit: Credit;
      readonly totalLimit: number;
    }
  /** `which` picks one of the parties that there are, or that there were. */
  | { readonly kind: "pull"; readonly which: number }
  | { readonly kind: "grant"; readonly which: number; readonly more: Credit }
  | { readonly kind: "take"; readonly which: number; readonly share: number }
  | { readonly kind: "release"; readonly which: number }
  | { readonly kind: "cancel"; readonly which: number }
  | { readonly kind: "expire"; readonly which: number }
  | { readonly kind: "shutdown"; readonly immediate: boolean }
  | { readonly kind: "close"; readonly reason: "deleted" | "stopping" };

const waitMs = fc.constantFrom(0, 10, 1000, undefined);
const which = fc.nat(1000);
/** Too large for a frame, when the queue takes it at all; the other one fills a frame exactly. */
const largeSizes = [1_048_513, 1_048_512];
const sizes = fc.array(
  fc.oneof(
    { weight: 200, arbitrary: fc.nat(4) },
    { weight: 1, arbitrary: fc.constantFrom(...largeSizes) },
  ),
  { minLength: 1, maxLength: 12 },
);
const mode = fc.constantFrom<PutMode>("all-or-nothing", "item-by-item");
const creditBytes = fc.oneof(fc.constant(Infinity), fc.nat(30), fc.constant(1_100_000));
export const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ kind: fc.constant("put"), sizes, mode, waitMs }) },
  {
    weight: 15,
    arbitrary: fc.record({
      kind: fc.constant("get"),
      items: fc.integer({ min: 1, max: 6 }),
      bytes: fc.oneof(fc.nat(12), fc.constant(2_000_000)),
      waitMs,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("subscribe"),
      items: fc.integer({ min: 1, max: 5 }),
      bytes: fc.constantFrom(6, 1000, 2_000_000),
      credit: fc.record({ items: fc.nat(7), bytes: creditBytes }),
      totalLimit: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 9 })),
    }),
  },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant("pull"), which }) },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant("grant"),
      which,
      more: fc.record({ items: fc.integer({ min: -2, max: 7 }), bytes: creditBytes }),
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant("take"),
      which,
      share: fc.constantFrom(0, 0.3, 0.7, 1),
    }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("release"), which }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("cancel"), which }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("expire"), which }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("shutdown"), immediate: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("close"),
      reason: fc.constantFrom("deleted", "stopping"),
    }),
  },
);

export const spec: fc.Arbitrary<QueueSpec> = fc.record({
  maxItems: fc.constantFrom(5, 6, 12, undefined),
  maxBytes: fc.constantFrom(20, 24, 1000, 3_000_000),
  fullPolicy: fc.constantFrom("block", "block", "reject"),
});
