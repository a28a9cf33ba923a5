/** Frames of the bare pipe: [bytes of the rest: u32] and for each item [its length: u32] [its bytes]. */
const lengthBytes = 4;

/** As many items as one frame of a queue's stream has: 1024, or a megabyte. */
export function frameItems(size: number): number {
  return Math.max(1, Math.min(1024, Math.floor(1_000_000 / size)));
}

export function encodeFrame(items: readonly Uint8Array[]): Buffer {
  const bytes = items.reduce((sum, item) => sum + lengthBytes + item.length, 0);
  const frame = Buffer.allocUnsafe(lengthBytes + bytes);
  let offset = frame.writeUInt32LE(bytes, 0);
  for (const item of items) {
    offset = frame.writeUInt32LE(item.length, offset);
    frame.set(item, offset);
    offset += item.length;
  }
  return frame;
}

/** Finds the items in what arrives, however it was cut on the way. */
export class FrameReader {
  readonly #onItem: (item: Uint8Array) => void;
  #parts: Buffer[] = [];
  #bytes = 0;
  #wanted = lengthBytes;

  constructor(onItem: (item: Uint8Array) => void) {
    this.#onItem = onItem;
  }

  push(part: Buffer): void {
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes < this.#wanted) return;
    let rest = this.#parts.length === 1 ? part : Buffer.concat(this.#parts);
    for (;;) {
      this.#wanted = rest.length < lengthBytes ? lengthBytes : lengthBytes + rest.readUInt32LE(0);
      if (rest.length < this.#wanted) break;
      this.#walk(rest.subarray(lengthBytes, this.#wanted));
      rest = rest.subarray(this.#wanted);
    }
    this.#parts = rest.length > 0 ? [rest] : [];
    this.#bytes = rest.length;
  }

  #walk(items: Buffer): void {
    for (let offset = 0; offset < items.length;) {
      const begin = offset + lengthBytes;
      offset = begin + items.readUInt32LE(offset);
      this.#onItem(items.subarray(begin, offset));
    }
  }
}
