import * as proto from "../../../proto/gen/forkbus/v1/queue.js";
import { type Credit as ProtoCredit } from "../../../proto/gen/forkbus/v1/types.js";
import { invalidField } from "../../core/errors.js";
import { type FrameLimits, MAX_FRAME_BYTES, MAX_FRAME_ITEMS } from "../../queues/frame-limits.js";
import { type TakerEnd } from "../../queues/queue-effect.js";
import { type FullPolicy, parseQueueSpec, type QueueSpec } from "../../queues/queue-spec.js";
import { type QueueState } from "../../queues/queue-status.js";
import { type QueueView } from "../../queues/queue-table.js";
import { type Credit, type SubscriberOptions } from "../../queues/taker.js";
import { unknownValue } from "./process-spec.js";
import { fromWallTime } from "./timestamp.js";

const defaultFrameItems = 64;
const defaultConsumeFrameItems = 1024;
const defaultConsumeFrameBytes = 256 * 1024;
const defaultUntakenItems = 64;

export function toQueueSpec(spec: proto.QueueSpec | undefined): QueueSpec {
  return parseQueueSpec({
    maxItems: toLimit("spec.max_items", spec?.maxItems),
    maxBytes: toLimit("spec.max_bytes", spec?.maxBytes),
    fullPolicy: toFullPolicy(spec?.fullPolicy),
  });
}

export function toGetLimits(request: proto.GetRequest): FrameLimits {
  const items = toCount("max_items", request.maxItems, 1);
  const bytes =
    request.maxBytes === 0 ? MAX_FRAME_BYTES : Math.min(request.maxBytes, MAX_FRAME_BYTES);
  return { items, bytes };
}

/** How many more than were taken a subscription may be sent. */
export function toUntakenLimit(request: proto.SubscribeRequest): number {
  const limit = toCount("max_untaken_items", request.maxUntakenItems, defaultUntakenItems);
  return request.reportTaken ? limit : Infinity;
}

export function toSubscriberOptions(request: proto.SubscribeRequest): SubscriberOptions {
  const items = toCount("max_frame_items", request.maxFrameItems, defaultFrameItems);
  return {
    limits: { items, bytes: MAX_FRAME_BYTES },
    credit: { items: toUntakenLimit(request), bytes: Infinity },
    totalLimit: request.limit === 0n ? Infinity : Number(request.limit),
  };
}

export function toConsumerOptions(open: proto.ConsumeOpen): SubscriberOptions {
  const items = toCount("open.max_frame_items", open.maxFrameItems, defaultConsumeFrameItems);
  const asked = open.maxFrameBytes;
  const bytes = asked === 0 || asked > MAX_FRAME_BYTES ? defaultConsumeFrameBytes : asked;
  return { limits: { items, bytes }, credit: { items: 0, bytes: 0 }, totalLimit: Infinity };
}

export function toCredit({ itemsTotal, bytesTotal }: ProtoCredit): Credit {
  const items = toSafeNumber("credit.items_total", itemsTotal);
  const bytes = toSafeNumber("credit.bytes_total", bytesTotal);
  return { items, bytes: bytes === 0 ? Infinity : bytes };
}

/** A sequence or a total of items. */
export function toSequence(field: string, value: bigint): number {
  return toSafeNumber(field, value);
}

export function fromQueue(view: QueueView): proto.Queue {
  const { counts, spec } = view;
  return {
    name: view.name,
    uid: view.uid,
    revision: view.revision,
    labels: Object.fromEntries(view.labels),
    owner: view.owner,
    createTime: fromWallTime(view.createdAtMs),
    spec: {
      maxItems: BigInt(spec.maxItems ?? 0),
      maxBytes: BigInt(spec.maxBytes),
      fullPolicy: FULL_POLICIES[spec.fullPolicy],
    },
    status: {
      state: STATES[counts.state],
      ready: BigInt(counts.ready),
      untaken: BigInt(counts.untaken),
      storedBytes: BigInt(counts.storedBytes),
      put: BigInt(counts.put),
      acked: BigInt(counts.acked),
      dropped: BigInt(counts.dropped),
      oldestReadyMs: BigInt(Math.floor(counts.oldestReadyMs)),
      consumers: counts.consumers,
      producers: counts.producers,
      waitingPuts: counts.waitingPuts,
      waitingGets: counts.waitingGets,
    },
  };
}

export function fromEnd(end: TakerEnd): proto.GetEnd {
  return ENDS[end];
}

const FULL_POLICIES = {
  block: proto.FullPolicy.BLOCK,
  reject: proto.FullPolicy.REJECT,
} as const satisfies Record<FullPolicy, proto.FullPolicy>;

const STATES = {
  open: proto.QueueState.OPEN,
  draining: proto.QueueState.DRAINING,
  "shut-down": proto.QueueState.SHUT_DOWN,
} as const satisfies Record<QueueState, proto.QueueState>;

const ENDS = {
  empty: proto.GetEnd.EMPTY,
  cancelled: proto.GetEnd.CANCELLED,
  "shut-down": proto.GetEnd.SHUT_DOWN,
  deleted: proto.GetEnd.DELETED,
  limit: proto.GetEnd.LIMIT,
  stopping: proto.GetEnd.GOAWAY,
} as const satisfies Record<TakerEnd, proto.GetEnd>;

function toFullPolicy(policy: proto.FullPolicy | undefined): FullPolicy | undefined {
  switch (policy) {
    case undefined:
    case proto.FullPolicy.UNSPECIFIED:
      return undefined;
    case proto.FullPolicy.BLOCK:
      return "block";
    case proto.FullPolicy.REJECT:
      return "reject";
    case proto.FullPolicy.UNRECOGNIZED:
    default:
      throw unknownValue("spec.full_policy", policy);
  }
}

/** 0 and unset mean the default. */
function toLimit(field: string, value: bigint | undefined): number | undefined {
  return value === undefined || value === 0n ? undefined : toSafeNumber(field, value);
}

function toSafeNumber(field: string, value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw invalidField(field, String(value), `${field} is ${value}, which is above 2^53 - 1`);
}

function toCount(field: string, value: number, byDefault: number): number {
  if (value > MAX_FRAME_ITEMS) {
    throw invalidField(
      field,
      String(value),
      `${field} is ${value}, at most ${MAX_FRAME_ITEMS} are allowed`,
    );
  }
  return value === 0 ? byDefault : value;
}
