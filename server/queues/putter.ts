import { type Items } from "../../wire/items.js";
import { type PartyId } from "./queue-effect.js";

/** What a putter wants when there is room for a part of it only. */
export type PutMode = "all-or-nothing" | "item-by-item";

/** A put that is not stored, or not all of it. */
export interface Putter {
  readonly id: PartyId;
  readonly mode: PutMode;
  /** Bytes of the memory that holds the items. */
  readonly heldBytes: number;
  /** What is not stored yet, and what it takes of the budget of all queues. */
  items: Items;
  cost: number;
}

export interface Fitting {
  readonly items: Items;
  readonly cost: number;
  readonly rest: Items;
}

/** What of a put can be stored in so much room; undefined when that is nothing. */
export function fittingPart(
  { items, mode, cost }: Putter,
  room: { readonly items: number; readonly bytes: number },
): Fitting | undefined {
  const [fitting, rest] = items.splitWithin({ ...room, encodedBytes: Infinity });
  if (rest.count === 0) return { items: fitting, cost, rest };
  if (fitting.count === 0 || mode === "all-or-nothing") return undefined;
  return { items: fitting, cost: fitting.encoded.length, rest };
}
