import { type Items } from "../../wire/items.js";

/** A put, a get or a subscription, for as long as the queue knows it. */
export type PartyId = number & { readonly __brand: "PartyId" };

/** Why a put stored nothing, or nothing more. */
export type PutRefusal = "full" | "cancelled" | "shut-down" | "deleted" | "stopping";

/** Why a get has nothing, or a subscription ends. */
export type TakerEnd = "empty" | "cancelled" | "shut-down" | "deleted" | "limit" | "stopping";

/** Items on their way to one taker: sent, and untaken until it says so. */
export interface DeliveredFrame {
  readonly firstSeq: number;
  /** How many, in all rows. */
  readonly items: number;
  /** The items, one row after the other. An item that is too large for a frame comes alone. */
  readonly rows: readonly Items[];
  /** Ready items left. */
  readonly backlog: number;
}

/** What the queue wants done, in this order. */
export type QueueEffect =
  /** Once for a put that stores all or nothing; else each time that some of its items were stored. */
  | {
      readonly kind: "stored";
      readonly party: PartyId;
      readonly firstSeq: number;
      readonly items: number;
    }
  /** What of it was not stored never will be. */
  | {
      readonly kind: "refused";
      readonly party: PartyId;
      readonly reason: PutRefusal;
      readonly cost: number;
    }
  | { readonly kind: "delivered"; readonly party: PartyId; readonly frame: DeliveredFrame }
  /** The party is unknown from here on. */
  | { readonly kind: "ended"; readonly party: PartyId; readonly end: TakerEnd }
  /** Report `expire` after this time, unless disarmed before. */
  | { readonly kind: "arm"; readonly party: PartyId; readonly afterMs: number }
  | { readonly kind: "disarm"; readonly party: PartyId }
  /** Items that were stored are gone: taken or dropped. */
  | { readonly kind: "freed"; readonly cost: number };
