import { type FrameLimits } from "./frame-limits.js";
import { type Hold } from "./hold.js";
import { type PartyId } from "./queue-effect.js";

/** A get that waits for its items. */
export interface Getter {
  readonly kind: "getter";
  readonly id: PartyId;
  readonly limits: FrameLimits;
}

/** How much a subscription may be sent, as totals since it began. */
export interface Credit {
  readonly items: number;
  /** More is sent while less than this has been sent: only the last item may go beyond it. */
  readonly bytes: number;
}

export interface SubscriberOptions {
  readonly limits: FrameLimits;
  /** At the beginning; it can grow. */
  readonly credit: Credit;
  /** End when this many have been taken; Infinity: never. */
  readonly totalLimit: number;
}

export interface Subscriber {
  readonly kind: "subscriber";
  readonly id: PartyId;
  readonly limits: FrameLimits;
  readonly totalLimit: number;
  readonly hold: Hold;
  credit: Credit;
  /** Whether it asked for a frame that it has not been sent. */
  pulling: boolean;
}

/** How much more the taker may be sent. */
export function capacityOf(taker: Getter | Subscriber): Credit {
  if (taker.kind === "getter") return { items: Infinity, bytes: Infinity };
  const { hold, credit, totalLimit } = taker;
  return {
    items: Math.min(credit.items, totalLimit) - hold.sent,
    bytes: credit.bytes - hold.sentBytes,
  };
}
