import { Items, ITEM_TAG } from "./items.js";
import { varintBytes, writeVarint } from "./varint.js";
import { WireReader, WireType } from "./wire-reader.js";

/** One part of an item that is too large for a frame. */
export interface FramePart {
  /** Bytes of the item before this part. */
  readonly offset: number;
  /** Bytes of the whole item. */
  readonly itemBytes: number;
}

/** forkbus.v1.Frame with its items as they travel. Numbers above 2^53 are not exact, but above it. */
export interface WireFrame {
  readonly firstSeq: number;
  readonly count: number;
  readonly part: FramePart | undefined;
  readonly items: Items;
}

const FIRST_SEQ = 1;
const COUNT = 2;
const PART = 6;
const ITEMS = 15;
const PART_OFFSET = 1;
const PART_ITEM_BYTES = 2;

/**
 * Reads an encoded frame. `items` shares the memory of `body`, unless the items were not next to
 * each other there, or in longer encodings than need be: then they are copied into the usual form.
 *
 * @throws MalformedMessage
 */
export function readFrame(body: Uint8Array): WireFrame {
  const reader = new WireReader(body);
  const found = new FoundItems(body);
  let firstSeq = 0;
  let count = 0;
  let part: FramePart | undefined;
  while (!reader.atEnd) {
    if (body[reader.position] === ITEM_TAG && found.readRun(reader)) continue;
    const { field, wireType } = reader.tag();
    if (field === FIRST_SEQ && wireType === WireType.varint) firstSeq = reader.varint();
    else if (field === COUNT && wireType === WireType.varint) count = reader.uint32();
    else if (field === PART && wireType === WireType.bytes) part = readPart(reader.chunk(), part);
    else if (field === ITEMS && wireType === WireType.bytes) found.add(reader.chunk());
    else reader.skip(field, wireType);
  }
  return { firstSeq, count, part, items: found.items() };
}

/** Fields of a message that comes twice are merged. */
function readPart(body: Uint8Array, before: FramePart | undefined): FramePart {
  const reader = new WireReader(body);
  let { offset, itemBytes } = before ?? { offset: 0, itemBytes: 0 };
  while (!reader.atEnd) {
    const { field, wireType } = reader.tag();
    if (field === PART_OFFSET && wireType === WireType.varint) offset = reader.varint();
    else if (field === PART_ITEM_BYTES && wireType === WireType.varint) itemBytes = reader.varint();
    else reader.skip(field, wireType);
  }
  return { offset, itemBytes };
}

/** The items that a reader comes upon. */
class FoundItems {
  readonly #body: Uint8Array;
  #count = 0;
  #bytes = 0;
  #begin = 0;
  #end = 0;
  /** Set once the items are not one run in the usual form. */
  #scattered: Uint8Array[] | undefined;

  constructor(body: Uint8Array) {
    this.#body = body;
  }

  /**
   * The fast way: reads items in the usual form for as long as they follow each other. Returns
   * false, and has read nothing, when the first is in another form.
   */
  readRun(reader: WireReader): boolean {
    const body = this.#body;
    const begin = reader.position;
    let position = begin;
    let count = 0;
    let bytes = 0;
    while (body[position] === ITEM_TAG) {
      let at = position + 1;
      let byte = body[at] ?? 0x80;
      let length = byte;
      if (byte >= 0x80) {
        length = byte - 0x80;
        // Up to 28 bits: whatever is longer does not fit here, and the slow way says so.
        for (let shift = 7; byte >= 0x80 && shift <= 21; shift += 7) {
          byte = body[++at] ?? 0x80;
          length += (byte & 0x7f) << shift;
        }
        if (byte >= 0x80 || byte === 0) break;
      }
      const end = at + 1 + length;
      if (end > body.length) break;
      count++;
      bytes += length;
      position = end;
    }
    if (count === 0) return false;
    if (this.#count > 0 && this.#end !== begin) this.#scatter();
    if (this.#count === 0) this.#begin = begin;
    if (this.#scattered !== undefined) {
      const run = new Items(body.subarray(begin, position), count, bytes);
      for (const item of run) this.#scattered.push(item);
    }
    this.#end = position;
    this.#count += count;
    this.#bytes += bytes;
    reader.position = position;
    return true;
  }

  /** The slow way: an item that was in any legal form. */
  add(item: Uint8Array): void {
    this.#scatter().push(item);
    this.#count++;
    this.#bytes += item.length;
  }

  items(): Items {
    if (this.#scattered !== undefined) return Items.of(this.#scattered);
    return new Items(this.#body.subarray(this.#begin, this.#end), this.#count, this.#bytes);
  }

  #scatter(): Uint8Array[] {
    const run = this.#body.subarray(this.#begin, this.#end);
    this.#scattered ??= [...new Items(run, this.#count, this.#bytes)];
    return this.#scattered;
  }
}

/** The headers of a frame, which come before its items. */
export function frameHeader({ firstSeq, count, part }: Omit<WireFrame, "items">): Uint8Array {
  const header = new Uint8Array(MAX_HEADER_BYTES);
  let end = writeField(header, 0, FIRST_SEQ, firstSeq);
  end = writeField(header, end, COUNT, count);
  if (part !== undefined) {
    const body = new Uint8Array(MAX_PART_BYTES);
    const offsetEnd = writeField(body, 0, PART_OFFSET, part.offset);
    const bodyEnd = writeField(body, offsetEnd, PART_ITEM_BYTES, part.itemBytes);
    header[end++] = PART * 8 + WireType.bytes;
    header[end++] = bodyEnd;
    header.set(body.subarray(0, bodyEnd), end);
    end += bodyEnd;
  }
  return header.subarray(0, end);
}

const MAX_VARINT_BYTES = 8;
const MAX_PART_BYTES = 2 * (1 + MAX_VARINT_BYTES);
const MAX_HEADER_BYTES = 2 * (1 + MAX_VARINT_BYTES) + 2 + MAX_PART_BYTES;

/** A varint field with a number below 16; left out when it is 0, as proto3 does. */
function writeField(target: Uint8Array, position: number, field: number, value: number): number {
  if (value === 0) return position;
  target[position] = field * 8 + WireType.varint;
  return writeVarint(target, position + 1, value);
}

/** What comes before a frame that is field 15 of a message: its tag and length. */
export function frameTag(frameBytes: number): Uint8Array {
  const tag = new Uint8Array(1 + varintBytes(frameBytes));
  tag[0] = 15 * 8 + WireType.bytes;
  writeVarint(tag, 1, frameBytes);
  return tag;
}
