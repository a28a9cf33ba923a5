import { WireType } from "@bufbuild/protobuf/wire";
import { type Random } from "./random.js";
import {
  lengthDelimited,
  splitFields,
  tag,
  varint,
  varintOf,
  type WireField,
} from "./wire-fields.js";

const MIB = 1024 * 1024;

/** Spoils an encoded message, in one to four ways. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  let mutant = bytes;
  for (let left = random.pick([1, 1, 1, 2, 4]); left > 0; left--)
    mutant = mutateOnce(random, mutant);
  return mutant;
}

function mutateOnce(random: Random, bytes: Buffer): Buffer {
  const fields = splitFields(bytes);
  if (fields === undefined || fields.length === 0 || random.chance(0.3)) {
    return random.pick(byteMutations)(random, bytes);
  }
  const at = random.below(fields.length);
  const field = fields[at];
  if (field?.type === WireType.LengthDelimited && random.chance(0.5)) {
    // What is inside may be a message, a text or bytes: each is spoilt as what it could be.
    const inside = mutateOnce(random, field.value);
    return joined(fields.with(at, replaced(field, lengthDelimited(field.number, inside))));
  }
  return random.pick(fieldMutations)(random, fields, at);
}

type ByteMutation = (random: Random, bytes: Buffer) => Buffer;

const byteMutations: readonly ByteMutation[] = [
  function flipBits(random, bytes) {
    const flipped = Buffer.from(bytes);
    for (let left = 1 + random.below(8); left > 0 && flipped.length > 0; left--) {
      const at = random.below(flipped.length);
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << random.below(8)), at);
    }
    return flipped;
  },
  function truncate(random, bytes) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
  function insert(random, bytes) {
    const at = random.below(bytes.length + 1);
    const inserted = random.bytes(1 + random.below(8));
    return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
  },
  function remove(random, bytes) {
    const at = random.below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(8))]);
  },
  function repeat(random, bytes) {
    return Buffer.concat(
      Array.from({ length: 2 + random.below(20) }, () => bytes.subarray(0, MIB / 64)),
    );
  },
  function overwrite(random, bytes) {
    const changed = Buffer.from(bytes);
    if (changed.length > 0) {
      changed.writeUInt8(random.pick([0, 0x7f, 0x80, 0xff]), random.below(changed.length));
    }
    return changed;
  },
  function replace(random, bytes) {
    return random.bytes(random.below(Math.min(bytes.length, 200) + 20));
  },
  function spoilText(random, bytes) {
    const bad = random.pick(["ff", "c080", "eda080", "f4908080", "c3", "00"]);
    return Buffer.concat([bytes, Buffer.from(bad, "hex")]);
  },
];

type FieldMutation = (random: Random, fields: readonly WireField[], at: number) => Buffer;

const fieldMutations: readonly FieldMutation[] = [
  function duplicate(_random, fields, at) {
    return joined(fields.toSpliced(at, 0, ...fields.slice(at, at + 1)));
  },
  function drop(_random, fields, at) {
    return joined(fields.toSpliced(at, 1));
  },
  function reorder(random, fields, at) {
    const without = fields.toSpliced(at, 1);
    return joined(without.toSpliced(random.below(fields.length), 0, ...fields.slice(at, at + 1)));
  },
  function renumber(random, fields, at) {
    const number = random.pick([0, 1, 2, 15, 16, 18_999, 2 ** 29 - 1, 2 ** 32]);
    return changed(fields, at, ({ type, whole, value }) =>
      Buffer.concat([tag(number, type), whole.subarray(whole.length - value.length)]),
    );
  },
  function retype(random, fields, at) {
    return changed(fields, at, ({ number, value }) =>
      Buffer.concat([tag(number, random.below(8)), value]),
    );
  },
  function lie(random, fields, at) {
    const lengths = [0n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, 2n ** 64n - 1n];
    return changed(fields, at, ({ number, value }) => {
      const near = BigInt(Math.max(0, value.length + random.below(3) - 1));
      const length = random.chance(0.5) ? near : random.pick(lengths);
      return Buffer.concat([tag(number, WireType.LengthDelimited), varint(length), value]);
    });
  },
  function pad(random, fields, at) {
    return changed(fields, at, ({ number, type, whole, value }) => {
      const padding = random.pick([1, 4, 8, 9, 10, 20]);
      if (type === WireType.Varint) {
        return Buffer.concat([tag(number, type), varint(varintOf(value), padding)]);
      }
      const head = varint((BigInt(number) << 3n) | BigInt(type), padding);
      return Buffer.concat([head, whole.subarray(tag(number, type).length)]);
    });
  },
  function extremeNumber(random, fields, at) {
    const value = random.pick([0n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]);
    return changed(fields, at, ({ number }) =>
      Buffer.concat([tag(number, WireType.Varint), varint(value)]),
    );
  },
  function group(random, fields, at) {
    const depth = random.pick([1, 2, 100, 20_000]);
    const closed = random.chance(0.5) ? depth : depth - 1;
    return changed(fields, at, ({ number, whole }) =>
      Buffer.concat([
        ...repeated(tag(number, WireType.StartGroup), depth),
        whole,
        ...repeated(tag(number, WireType.EndGroup), closed),
      ]),
    );
  },
  function nest(random, fields, at) {
    const depth = random.pick([2, 10, 101, 1000]);
    return changed(fields, at, ({ number, whole }) => {
      let nested = whole.subarray(0, 1000);
      for (let left = depth; left > 0; left--) nested = lengthDelimited(number, nested);
      return nested;
    });
  },
  function addUnknown(random, fields) {
    const unknown = tag(random.pick([100, 1000, 2 ** 29 - 1]), random.below(6));
    return Buffer.concat([joined(fields), unknown, random.bytes(random.pick([0, 1, 4, 8, 100]))]);
  },
  function swell(random, fields, at) {
    const isHuge = random.chance(0.1);
    const bytes = isHuge ? random.pick([65_536, MIB, 5 * MIB, 9 * MIB]) : 1000;
    return changed(fields, at, ({ number }) => lengthDelimited(number, Buffer.alloc(bytes, "x")));
  },
];

function changed(
  fields: readonly WireField[],
  at: number,
  change: (field: WireField) => Buffer,
): Buffer {
  return joined(
    fields.map((field, index) => (index === at ? replaced(field, change(field)) : field)),
  );
}

function replaced(field: WireField, whole: Buffer): WireField {
  return { ...field, whole };
}

function joined(fields: readonly WireField[]): Buffer {
  return Buffer.concat(fields.map(({ whole }) => whole));
}

function repeated(bytes: Buffer, times: number): Buffer[] {
  return Array.from({ length: Math.max(0, times) }, () => bytes);
}
