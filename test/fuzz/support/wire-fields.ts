import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A field as it stands in a message. */
export interface WireField {
  readonly number: number;
  readonly type: WireType;
  /** Tag, length where there is one, and value. */
  readonly whole: Buffer;
  /** The value alone. */
  readonly value: Buffer;
}

/** A text of a megabyte may be read as a message of so many fields. */
const MAX_FIELDS = 5000;

/** The fields of a message in their order; undefined if the bytes are no message, or one of too many fields. */
export function splitFields(bytes: Uint8Array): WireField[] | undefined {
  const fields: WireField[] = [];
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      if (fields.length === MAX_FIELDS) return undefined;
      const begin = reader.pos;
      const [number, type] = reader.tag();
      const valueBegin = reader.pos;
      let value: Uint8Array;
      if (type === WireType.LengthDelimited) {
        value = reader.bytes();
      } else {
        reader.skip(type, number);
        value = bytes.subarray(valueBegin, reader.pos);
      }
      const whole = Buffer.from(bytes.subarray(begin, reader.pos));
      fields.push({ number, type, whole, value: Buffer.from(value) });
    }
  } catch {
    return undefined;
  }
  return fields;
}

export function lengthDelimited(number: number, value: Uint8Array): Buffer {
  const writer = new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(value);
  return Buffer.from(writer.finish());
}

/** Whether or not there is a field of that number, and whatever the wire type. */
export function tag(number: number, type: number): Buffer {
  return varint((BigInt(number) << 3n) | BigInt(type));
}

/** With `padding` bytes more than it takes. */
export function varint(value: bigint, padding = 0): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  } while (rest > 0n);
  for (let left = padding; left > 0; left--) bytes.push(0x80);
  bytes.push((bytes.pop() ?? 0) & 0x7f);
  return Buffer.from(bytes);
}

/** Ten bytes of it at most: a varint that runs on for ever is no number. */
export function varintOf(bytes: Buffer): bigint {
  let value = 0n;
  for (const [index, byte] of bytes.subarray(0, 10).entries())
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
  return value;
}
