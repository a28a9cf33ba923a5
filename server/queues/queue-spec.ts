import { type Items } from "../../wire/items.js";
import { DomainError, invalidField } from "../core/errors.js";
import { MAX_ITEM_BYTES } from "./frame-limits.js";

/** What a put does when the queue is full: wait for room, or fail at once. */
export type FullPolicy = "block" | "reject";

/** The promises of one queue, with every default filled in. */
export interface QueueSpec {
  /** Most items at once; undefined: no limit. */
  readonly maxItems: number | undefined;
  /** Most bytes of items at once. */
  readonly maxBytes: number;
  readonly fullPolicy: FullPolicy;
}

/** A spec as a client may leave it. */
export interface QueueSpecInput {
  readonly maxItems?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly fullPolicy?: FullPolicy | undefined;
}

/** The most that one queue may be allowed to hold, and what it may hold by default. */
export const MAX_QUEUE_BYTES = 256 * 1024 * 1024;

/**
 * @throws DomainError invalid-field
 */
export function parseQueueSpec(input: QueueSpecInput): QueueSpec {
  const { maxItems, maxBytes = MAX_QUEUE_BYTES, fullPolicy = "block" } = input;
  if (maxItems !== undefined) requireCount("spec.max_items", maxItems, Number.MAX_SAFE_INTEGER);
  requireCount("spec.max_bytes", maxBytes, MAX_QUEUE_BYTES);
  return { maxItems, maxBytes, fullPolicy };
}

/** The first field in which two specs differ, or undefined when they promise the same. */
export function differingField(a: QueueSpec, b: QueueSpec): string | undefined {
  if (a.maxItems !== b.maxItems) return "spec.max_items";
  if (a.maxBytes !== b.maxBytes) return "spec.max_bytes";
  if (a.fullPolicy !== b.fullPolicy) return "spec.full_policy";
  return undefined;
}

/**
 * Refuses a put that no waiting could make room for; the queue may be as empty as it likes.
 *
 * @throws DomainError invalid-field, item-too-large
 */
export function requireFitting(spec: QueueSpec, items: Items): void {
  if (items.count === 0) throw invalidField("frame.items", "0", "A put needs at least one item");
  if (mayExceed(spec, items)) requireItemFitting(spec, items.largest);
  if (spec.maxItems !== undefined && items.count > spec.maxItems) {
    throw tooMuchAtOnce(items.count, `${items.count} items`, `${spec.maxItems} items`);
  }
  if (items.bytes > spec.maxBytes) {
    throw tooMuchAtOnce(items.count, `${items.bytes} bytes`, `${spec.maxBytes} bytes`);
  }
}

/**
 * @throws DomainError item-too-large
 */
export function requireItemFitting(spec: QueueSpec, bytes: number): void {
  const largest = largestItem(spec);
  if (bytes <= largest) return;
  throw new DomainError(
    "item-too-large",
    `An item of ${bytes} bytes, at most ${largest} are allowed`,
    { facts: { bytes: String(bytes), max_bytes: String(largest) } },
  );
}

/** False when no item among these can be too large: together they are small enough. */
export function mayExceed(spec: QueueSpec, items: Items): boolean {
  return items.bytes > largestItem(spec);
}

function largestItem(spec: QueueSpec): number {
  return Math.min(MAX_ITEM_BYTES, spec.maxBytes);
}

function tooMuchAtOnce(count: number, put: string, most: string): DomainError {
  const message = `A put of ${put} never fits in a queue of at most ${most}`;
  return invalidField("frame.items", String(count), message);
}

function requireCount(field: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return;
  throw invalidField(field, String(value), `${field} is ${value}, but must be from 1 to ${most}`);
}
