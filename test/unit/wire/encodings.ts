import fc from "fast-check";

/** One field of a Frame or of a part as somebody might encode it: its bytes, and what they say. */
export type Piece =
  | { readonly kind: "item"; readonly bytes: Uint8Array; readonly item: Uint8Array }
  | { readonly kind: "firstSeq"; readonly bytes: Uint8Array; readonly value: bigint }
  | { readonly kind: "count"; readonly bytes: Uint8Array; readonly value: number }
  | { readonly kind: "part"; readonly bytes: Uint8Array; readonly fields: readonly PartPiece[] }
  | { readonly kind: "unknown"; readonly bytes: Uint8Array };

type PartPiece =
  | { readonly kind: "offset" | "itemBytes"; readonly bytes: Uint8Array; readonly value: bigint }
  | { readonly kind: "unknown"; readonly bytes: Uint8Array };

/** A varint with so many bytes more than it needs, which is legal up to ten. */
export function varint(value: bigint | number, more = 0): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  do {
    bytes.push(Number(rest & 0x7fn));
    rest >>= 7n;
  } while (rest > 0n);
  while (bytes.length < 10 && more-- > 0) bytes.push(0);
  return Uint8Array.from(bytes, (byte, index) => (index < bytes.length - 1 ? byte | 0x80 : byte));
}

export function tag(field: number, wireType: number, more = 0): Uint8Array {
  // A tag has 32 bits, so five bytes at most.
  const shortest = varint(field * 8 + wireType);
  return varint(field * 8 + wireType, Math.min(more, 5 - shortest.length));
}

export function join(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** A field of wire type bytes. */
export function chunk(field: number, body: Uint8Array, moreTag = 0, moreLength = 0): Uint8Array {
  const length = varint(body.length);
  // A length has 32 bits.
  const more = Math.min(moreLength, 5 - length.length);
  return join([tag(field, 2, moreTag), varint(body.length, more), body]);
}

/** Mostly none: the usual form is what most encoders write. */
const more = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 9 }));
const uint64 = fc.oneof(fc.bigInt(0n, 300n), fc.bigInt(0n, 2n ** 64n - 1n));
const uint32 = fc.oneof(fc.nat(300), fc.nat(2 ** 31 - 1));

function number(field: number, value: bigint | number, moreTag: number, moreValue: number) {
  return join([tag(field, 0, moreTag), varint(value, moreValue)]);
}

const foreign = fc.integer({ min: 20, max: 2 ** 29 - 1 });
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** A field that the message does not have, in any wire type, groups within groups included. */
const unknownField = fc.letrec<{ field: Uint8Array }>((recur) => ({
  field: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(foreign, uint64, more).map(([field, value, by]) => number(field, value, by, by)),
    fc.tuple(foreign, bytesOf(8)).map(([field, body]) => join([tag(field, 1), body])),
    fc.tuple(foreign, bytesOf(4)).map(([field, body]) => join([tag(field, 5), body])),
    fc
      .tuple(foreign, fc.uint8Array({ maxLength: 9 }), more)
      .map(([field, body, by]) => chunk(field, body, by, by)),
    fc
      .tuple(foreign, fc.array(recur("field"), { maxLength: 3 }))
      .map(([field, fields]) => join([tag(field, 3), ...fields, tag(field, 4)])),
  ),
})).field;

/** Fields that the message has, in a wire type that they do not have: they are unknown ones. */
const misfit = fc.oneof(
  fc.constantFrom(6, 15).chain((field) => uint64.map((value) => number(field, value, 0, 0))),
  fc
    .constantFrom(1, 2)
    .chain((field) => fc.uint8Array({ maxLength: 9 }).map((body) => chunk(field, body))),
);

const partPiece: fc.Arbitrary<PartPiece> = fc.oneof(
  fc.tuple(uint64, more).map(([value, by]) => {
    return { kind: "offset" as const, value, bytes: number(1, value, by, by) };
  }),
  fc.tuple(uint64, more).map(([value, by]) => {
    return { kind: "itemBytes" as const, value, bytes: number(2, value, by, by) };
  }),
  unknownField.map((bytes) => ({ kind: "unknown" as const, bytes })),
);

const item = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 6 }) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 120, max: 20_000 }).map((n) => new Uint8Array(n).fill(n)),
  },
);

const piece: fc.Arbitrary<Piece> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(item, more, more).map(([body, moreTag, moreLength]) => {
      return { kind: "item" as const, item: body, bytes: chunk(15, body, moreTag, moreLength) };
    }),
  },
  fc.tuple(uint64, more).map(([value, by]) => {
    return { kind: "firstSeq" as const, value, bytes: number(1, value, by, by) };
  }),
  // What has more than 32 bits is cut down to them.
  fc.tuple(fc.oneof(uint32, uint64), more).map(([value, by]) => {
    const bytes = number(2, value, by, by);
    return { kind: "count" as const, value: Number(BigInt(value) & 0xffff_ffffn), bytes };
  }),
  fc.tuple(fc.array(partPiece, { maxLength: 4 }), more).map(([fields, by]) => {
    const body = join(fields.map(({ bytes }) => bytes));
    return { kind: "part" as const, fields, bytes: chunk(6, body, by, by) };
  }),
  unknownField.map((bytes) => ({ kind: "unknown" as const, bytes })),
  misfit.map((bytes) => ({ kind: "unknown" as const, bytes })),
);

/** A frame in any encoding that proto3 allows. */
export const pieces: fc.Arbitrary<readonly Piece[]> = fc.array(piece, { maxLength: 30 });

export interface PlainFrame {
  readonly firstSeq: bigint;
  readonly count: number;
  readonly part: { readonly offset: bigint; readonly itemBytes: bigint } | undefined;
  readonly items: readonly string[];
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** What these pieces say, one after the other: the last number counts, items add up, parts are merged. */
export function meaningOf(all: readonly Piece[]): PlainFrame {
  let firstSeq = 0n;
  let count = 0;
  let part: PlainFrame["part"];
  const items: string[] = [];
  for (const one of all) {
    if (one.kind === "item") items.push(hex(one.item));
    else if (one.kind === "firstSeq") firstSeq = one.value;
    else if (one.kind === "count") count = one.value;
    else if (one.kind === "part") {
      part ??= { offset: 0n, itemBytes: 0n };
      for (const field of one.fields) {
        if (field.kind !== "unknown") part = { ...part, [field.kind]: field.value };
      }
    }
  }
  return { firstSeq, count, part, items };
}
