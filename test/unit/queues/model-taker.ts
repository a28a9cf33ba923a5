import { type FrameLimits } from "../../../server/queues/frame-limits.js";
import { type Credit, type SubscriberOptions } from "../../../server/queues/taker.js";
import { type Content } from "./model-content.js";

export interface ModelItem extends Content {
  readonly seq: number;
}

export interface ModelTaker {
  readonly party: number;
  readonly limits: FrameLimits;
  readonly subscription: SubscriberOptions | undefined;
  sent: number;
  taken: number;
  held: ModelItem[];
  sentBytes: number;
  credit: Credit;
}

export function newTaker(
  party: number,
  limits: FrameLimits,
  subscription: SubscriberOptions | undefined,
): ModelTaker {
  const credit = subscription?.credit ?? { items: Infinity, bytes: Infinity };
  return { party, limits, subscription, sent: 0, sentBytes: 0, taken: 0, held: [], credit };
}

export function capacity({ subscription, sent, sentBytes, credit }: ModelTaker): Credit {
  const totalLimit = subscription?.totalLimit ?? Infinity;
  return { items: Math.min(credit.items, totalLimit) - sent, bytes: credit.bytes - sentBytes };
}
