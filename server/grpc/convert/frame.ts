import { type WireFrame } from "../../../wire/frame.js";
import { type Items, NO_ITEMS } from "../../../wire/items.js";
import { partsOf } from "../../../wire/large-item.js";
import { type OutgoingFrame } from "../../../wire/message.js";
import { DomainError, invalidField } from "../../core/errors.js";
import { MAX_FRAME_BYTES, MAX_FRAMED_ITEM_BYTES } from "../../queues/frame-limits.js";
import { type ProducedFrame } from "../../queues/producer.js";
import { type DeliveredFrame } from "../../queues/queue-effect.js";

/** The items of a frame for Put. */
export function toItems(frame: WireFrame | undefined): Items {
  if (frame === undefined) return NO_ITEMS;
  if (frame.part !== undefined) {
    const message = "A part of an item can be sent to Produce only";
    throw invalidField("frame.part", `offset ${frame.part.offset}`, message);
  }
  requireWellFormed(frame);
  return frame.items;
}

/** A frame for Produce. */
export function toProducedFrame(frame: WireFrame): ProducedFrame {
  requireWellFormed(frame);
  return frame;
}

function requireWellFormed({ count, items }: WireFrame): void {
  if (count !== 0 && count !== items.count) {
    throw new DomainError(
      "frame-count-mismatch",
      `frame.count is ${count}, but the frame has ${items.count} items`,
      { facts: { field: "frame.count", count: String(count), items: String(items.count) } },
    );
  }
  if (items.bytes > MAX_FRAMED_ITEM_BYTES && items.largest > MAX_FRAMED_ITEM_BYTES) {
    throw new DomainError(
      "item-too-large",
      `An item of ${items.largest} bytes, at most ${MAX_FRAMED_ITEM_BYTES} fit in a frame; Produce takes larger ones in parts`,
      { facts: { bytes: String(items.largest), max_bytes: String(MAX_FRAMED_ITEM_BYTES) } },
    );
  }
  const bytes = items.encoded.length;
  if (bytes > MAX_FRAME_BYTES) {
    throw new DomainError(
      "frame-too-large",
      `The items of the frame take ${bytes} bytes encoded, at most ${MAX_FRAME_BYTES} are allowed`,
      { facts: { bytes: String(bytes), max_bytes: String(MAX_FRAME_BYTES) } },
    );
  }
}

/** A frame for a response of a unary call, which has no place for an item in parts. */
export function fromFrame({ firstSeq, rows }: DeliveredFrame): OutgoingFrame {
  return { firstSeq, rows };
}

/** Bytes of the item if it is too large for one frame. */
export function largeItemBytes({ items, rows }: DeliveredFrame): number | undefined {
  const bytes = rows[0]?.bytes ?? 0;
  return items === 1 && bytes > MAX_FRAMED_ITEM_BYTES ? bytes : undefined;
}

/** What was delivered, in as many frames as it takes: more than one for a large item only. */
export function* fromDelivered(frame: DeliveredFrame): Generator<OutgoingFrame, void> {
  const [row] = frame.rows;
  if (row === undefined || largeItemBytes(frame) === undefined) {
    yield fromFrame(frame);
    return;
  }
  for (const { part, items } of partsOf(row, MAX_FRAMED_ITEM_BYTES - PART_HEADER_BYTES)) {
    yield { firstSeq: frame.firstSeq, part, rows: [items] };
  }
}

/** A frame with a part has this much more of headers, at most. */
const PART_HEADER_BYTES = 32;
