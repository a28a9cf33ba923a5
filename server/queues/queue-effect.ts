/** A put, a get or a subscription, for as long as the queue knows it. */
export type PartyId = number & { readonly __brand: "PartyId" };

/** Why a put stored nothing. */
export type PutRefusal = "full" | "cancelled" | "shut-down" | "deleted" | "stopping";

/** Why a get has nothing, or a subscription ends. */
export type TakerEnd = "empty" | "cancelled" | "shut-down" | "deleted" | "limit" | "stopping";

/** Items on their way to one taker: sent, and untaken until it says so. */
export interface DeliveredFrame {
  readonly firstSeq: number;
  readonly items: readonly Uint8Array[];
  /** Ready items left. */
  readonly backlog: number;
}

/** What the queue wants done, in this order. */
export type QueueEffect =
  | { readonly kind: "stored"; readonly party: PartyId; readonly firstSeq: number }
  | { readonly kind: "refused"; readonly party: PartyId; readonly reason: PutRefusal }
  | { readonly kind: "delivered"; readonly party: PartyId; readonly frame: DeliveredFrame }
  /** The party is unknown from here on. */
  | { readonly kind: "ended"; readonly party: PartyId; readonly end: TakerEnd }
  /** Report `expire` after this time, unless disarmed before. */
  | { readonly kind: "arm"; readonly party: PartyId; readonly afterMs: number }
  | { readonly kind: "disarm"; readonly party: PartyId }
  /** Items that were stored are gone: taken or dropped. */
  | { readonly kind: "freed"; readonly items: number; readonly bytes: number };
