import { type DescEnum, ScalarType } from "@bufbuild/protobuf";
import { type Random } from "./random.js";

const MIB = 1024 * 1024;

const STRINGS: readonly string[] = [
  "",
  " ",
  "\0",
  "a\0b",
  ".",
  "..",
  "../../../etc/passwd",
  "/",
  "//",
  "-",
  "--help",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "null",
  "NaN",
  "%s%n%00",
  "{}",
  "[1]",
  "WyIiLCJhIl0",
  "\r\n",
  "\u202e\ufeff\u{1d4b3}",
  "\ud7ff\uffff\u{10ffff}",
  "UPPER",
  "0",
  "-1",
  "18446744073709551616",
];

/** Lengths at which something ends: names, request ids, paths, what an error repeats. */
const LENGTHS = [63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 4095, 4096, 65_536];

/** Rare, for one costs as much as a thousand others. */
const HUGE_CHANCE = 0.005;

export function hostileString(random: Random): string {
  if (random.chance(HUGE_CHANCE)) return random.pick(["x", "/", "é"]).repeat(MIB / 2);
  if (random.chance(0.3))
    return random.pick(["x", "é", "/a", "\u{1d4b3}"]).repeat(random.pick(LENGTHS));
  return random.pick(STRINGS);
}

export function hostileBytes(random: Random): Uint8Array {
  if (random.chance(HUGE_CHANCE))
    return new Uint8Array(random.pick([MIB - 64, MIB, MIB + 1, 2 * MIB]));
  return random.bytes(random.pick([0, 1, 2, 255, 4096]));
}

/** A number of the enum that it may not know. */
export function hostileEnum(random: Random, { values }: DescEnum): number {
  return random.pick([-1, 2 ** 31 - 1, -(2 ** 31), 127, 128, values.length, values.length + 1]);
}

const INT32 = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)];
const UINT32 = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1];
const INT64 = [0n, 1n, -1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)];
const UINT64 = [0n, 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
const FLOATS = [0, -0, NaN, Infinity, -Infinity, 5e-324, 3e38];

export function hostileScalar(random: Random, type: ScalarType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return hostileString(random);
    case ScalarType.BYTES:
      return hostileBytes(random);
    case ScalarType.BOOL:
      return random.chance(0.5);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return random.pick(FLOATS);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return random.pick(INT32);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return random.pick(UINT32);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return random.pick(INT64);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return random.pick(UINT64);
  }
}
