import { MemoryBudget } from "../../../server/queues/memory-budget.js";
import { QueueTable, type QueueTableOptions } from "../../../server/queues/queue-table.js";
import { parseQueueSpec, type QueueSpecInput } from "../../../server/queues/queue-spec.js";
import { type Delivery, type GetOutcome, Queue } from "../../../server/queues/queue.js";
import { ProducerPlace } from "../../../server/queues/producer-place.js";
import { type ProducerProgress } from "../../../server/queues/producer.js";
import { type Credit } from "../../../server/queues/taker.js";
import { Items } from "../../../wire/items.js";
import { ManualClock } from "../../support/manual-clock.js";

export const anything = { items: 1000, bytes: 1_000_000 };

export function items(...texts: readonly string[]): Items {
  return Items.of(texts.map((text) => new TextEncoder().encode(text)));
}

/** One item of so many zeros. */
export function zeros(bytes: number): Items {
  return Items.of([new Uint8Array(bytes)]);
}

/** The items of a frame that a queue delivered or a response carries. */
export function texts(frame: { readonly rows: readonly Items[] } | undefined): readonly string[] {
  const all = frame?.rows.flatMap((row) => [...row]) ?? [];
  return all.map((item) => new TextDecoder().decode(item));
}

/** What a subscriber may be sent at the beginning: so many items, of any size. */
export function credit(items: number): Credit {
  return { items, bytes: Infinity };
}

/** The texts of a get that has items; taken. */
export function take(outcome: GetOutcome): readonly string[] {
  const delivery = requireDelivery(outcome);
  delivery.taken();
  return texts(delivery.frame);
}

export function requireDelivery(outcome: GetOutcome): Delivery {
  if (outcome.kind === "none") throw new Error(`A get ended with ${outcome.end}`);
  return outcome;
}

/** A manual clock whose wall time goes with it. */
function aClock() {
  const manual = new ManualClock();
  return {
    now: () => manual.now(),
    wallTime: () => 1_700_000_000_000 + manual.now(),
    sleep: (ms: number, signal?: AbortSignal) => manual.sleep(ms, signal),
    advance: (ms: number) => manual.advance(ms),
  };
}

/** Codes of rejects, and the sequences that they are for. */
export function rejectsOf({ rejects }: ProducerProgress): readonly string[] {
  return rejects.map(({ first, last, error }) => `${first}-${last} ${error.code}`);
}

export function aQueue(spec: QueueSpecInput = {}) {
  const clock = aClock();
  const budget = new MemoryBudget(1_000_000);
  const onStateChange = (): void => undefined;
  const queue = new Queue("q", parseQueueSpec(spec), { clock, budget, onStateChange });
  return { clock, budget, queue };
}

export function aTable(options: Omit<Partial<QueueTableOptions>, "clock"> = {}) {
  const clock = aClock();
  let uids = 0;
  let revision = 0n;
  const table = new QueueTable({
    clock,
    newUid: () => `uid-${++uids}`,
    nextRevision: () => ++revision,
    ...options,
  });
  const create = (name: string, spec: QueueSpecInput = {}) =>
    table.create({ name, owner: "uid:1", labels: new Map(), spec: parseQueueSpec(spec) });
  const put = (
    queue: string,
    toPut: Items,
    more: {
      id?: string;
      digest?: string;
      waitMs?: number;
      signal?: AbortSignal;
      caller?: string;
    } = {},
  ) =>
    table.put({
      queue,
      items: toPut,
      caller: more.caller ?? "uid:1",
      waitMs: more.waitMs,
      signal: more.signal,
      request: more.id === undefined ? undefined : { id: more.id, digest: more.digest ?? "d" },
    });
  const get = (
    queue: string,
    more: { id?: string; waitMs?: number; signal?: AbortSignal; caller?: string } = {},
  ) =>
    table.get({
      queue,
      caller: more.caller ?? "uid:1",
      limits: anything,
      waitMs: more.waitMs,
      signal: more.signal,
      requestId: more.id,
    });
  return { clock, table, create, put, get };
}

/** Whether a promise is still open after everything that is due has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return !settled;
}

/** A queue with a stream into it, and the ways to put what is in one frame. */
export function aProducer(spec: QueueSpecInput = {}, waitMs?: number) {
  const { queue, clock, budget } = aQueue(spec);
  const place = new ProducerPlace();
  const open = (knownSeq = 0) => queue.produce(place, { waitMs, knownSeq });
  const producer = open();
  const put = (what: Items, firstSeq = 0) => {
    producer.put({ firstSeq, items: what });
  };
  const putPart = (offset: number, itemBytes: number, what: Items) => {
    producer.put({ firstSeq: 0, items: what, part: { offset, itemBytes } });
  };
  const get = async () => take(await queue.get(anything));
  return { queue, clock, budget, place, open, producer, put, putPart, get };
}
