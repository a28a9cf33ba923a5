/** Bytes that are no message of their type. */
export class MalformedMessage extends Error {
  constructor(what: string) {
    super(what);
    this.name = "MalformedMessage";
  }
}

/** The encodings of a field's value (protobuf.dev, "Encoding"). */
export const WireType = { varint: 0, fixed64: 1, bytes: 2, group: 3, groupEnd: 4, fixed32: 5 };

const deepestGroup = 100;

/** Reads the fields of one encoded message, one after the other, in whatever legal form they come. */
export class WireReader {
  readonly bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get atEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  /** The number and the wire type of the next field. */
  tag(): { readonly field: number; readonly wireType: number } {
    const tag = this.varint();
    const field = Math.floor(tag / 8);
    if (field < 1 || tag > 0xffff_ffff)
      throw new MalformedMessage(`A field has the number ${field}`);
    return { field, wireType: tag % 8 };
  }

  /** Exact up to 2^53; above it the nearest double, which is above it too. Beyond 64 bits nothing counts. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let length = 1; length <= 10; length++) {
      const byte = this.bytes[this.position];
      if (byte === undefined) throw new MalformedMessage("It ends within a number");
      this.position++;
      value += (length < 10 ? byte & 0x7f : byte & 1) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new MalformedMessage("A number has more than ten bytes");
  }

  /** A number of 32 bits: the lowest ones of what is there, as proto3 says. */
  uint32(): number {
    const begin = this.position;
    this.varint();
    let value = 0;
    for (let at = begin, shift = 0; at < this.position && shift < 32; at++, shift += 7) {
      value |= ((this.bytes[at] ?? 0) & 0x7f) << shift;
    }
    return value >>> 0;
  }

  /** The value of a field of wire type `bytes`: a view. */
  chunk(): Uint8Array {
    const length = this.varint();
    const begin = this.position;
    this.#advance(length);
    return this.bytes.subarray(begin, this.position);
  }

  /** Passes over the value of a field. */
  skip(field: number, wireType: number, depth = 0): void {
    switch (wireType) {
      case WireType.varint:
        this.varint();
        return;
      case WireType.fixed64:
        this.#advance(8);
        return;
      case WireType.bytes:
        this.#advance(this.varint());
        return;
      case WireType.group:
        this.#skipGroup(field, depth);
        return;
      case WireType.fixed32:
        this.#advance(4);
        return;
      default:
        throw new MalformedMessage(`Field ${field} has the wire type ${wireType}`);
    }
  }

  #skipGroup(group: number, depth: number): void {
    if (depth >= deepestGroup) throw new MalformedMessage("Groups are nested too deeply");
    for (;;) {
      const { field, wireType } = this.tag();
      if (wireType === WireType.groupEnd) {
        if (field === group) return;
        throw new MalformedMessage(`Group ${group} ends as ${field}`);
      }
      this.skip(field, wireType, depth + 1);
    }
  }

  #advance(length: number): void {
    if (length > this.bytes.length - this.position) {
      throw new MalformedMessage("It ends within a field");
    }
    this.position += length;
  }
}
