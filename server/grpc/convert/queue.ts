import * as proto from "../../../proto/gen/forkbus/v1/queue.js";
import { type Frame } from "../../../proto/gen/forkbus/v1/frame.js";
import { DomainError, invalidField } from "../../core/errors.js";
import { type FrameLimits, MAX_FRAME_BYTES, MAX_FRAME_ITEMS } from "../../queues/frame-limits.js";
import { type SubscriberOptions } from "../../queues/queue-core.js";
import { type DeliveredFrame, type TakerEnd } from "../../queues/queue-effect.js";
import { type FullPolicy, parseQueueSpec, type QueueSpec } from "../../queues/queue-spec.js";
import { type QueueState } from "../../queues/queue-status.js";
import { type QueueView } from "../../queues/queue-table.js";
import { unknownValue } from "./process-spec.js";
import { fromWallTime } from "./timestamp.js";

const defaultFrameItems = 64;
const defaultUntakenItems = 64;

export function toQueueSpec(spec: proto.QueueSpec | undefined): QueueSpec {
  return parseQueueSpec({
    maxItems: toLimit("spec.max_items", spec?.maxItems),
    maxBytes: toLimit("spec.max_bytes", spec?.maxBytes),
    fullPolicy: toFullPolicy(spec?.fullPolicy),
  });
}

/** The items of a frame that a client put. */
export function toItems(frame: Frame | undefined): readonly Uint8Array[] {
  const items = frame?.items ?? [];
  const count = frame?.count ?? 0;
  if (count !== 0 && count !== items.length) {
    throw new DomainError(
      "frame-count-mismatch",
      `frame.count is ${count}, but the frame has ${items.length} items`,
      { facts: { field: "frame.count", count: String(count), items: String(items.length) } },
    );
  }
  let bytes = 0;
  for (const item of items) bytes += 1 + varintBytes(item.length) + item.length;
  if (bytes > MAX_FRAME_BYTES) {
    throw new DomainError(
      "frame-too-large",
      `The items of the frame take ${bytes} bytes encoded, at most ${MAX_FRAME_BYTES} are allowed`,
      { facts: { bytes: String(bytes), max_bytes: String(MAX_FRAME_BYTES) } },
    );
  }
  return items;
}

export function toGetLimits(request: proto.GetRequest): FrameLimits {
  const items = toCount("max_items", request.maxItems, 1);
  const bytes =
    request.maxBytes === 0 ? MAX_FRAME_BYTES : Math.min(request.maxBytes, MAX_FRAME_BYTES);
  return { items, bytes };
}

export function toSubscriberOptions(request: proto.SubscribeRequest): SubscriberOptions {
  const items = toCount("max_frame_items", request.maxFrameItems, defaultFrameItems);
  const untaken = toCount("max_untaken_items", request.maxUntakenItems, defaultUntakenItems);
  return {
    limits: { items, bytes: MAX_FRAME_BYTES },
    maxUntaken: request.reportTaken ? untaken : items,
    totalLimit: request.limit === 0n ? Infinity : Number(request.limit),
  };
}

export function toTakenTotal(total: bigint): number {
  return toSafeNumber("taken_total", total);
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
      waitingPuts: counts.waitingPuts,
      waitingGets: counts.waitingGets,
    },
  };
}

export function fromFrame({ firstSeq, items }: DeliveredFrame): Frame {
  return { firstSeq: BigInt(firstSeq), count: items.length, items: [...items] };
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

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4;
}
