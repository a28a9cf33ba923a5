import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { Metadata } from "@grpc/grpc-js";
import assert from "node:assert/strict";

/** A protobuf message as its fields, read without knowing its type: varints as bigint, the rest as bytes. */
export type Fields = Map<number, (bigint | Uint8Array)[]>;

export function fieldsOf(bytes: Uint8Array): Fields {
  const fields: Fields = new Map();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const values = fields.get(field) ?? [];
    values.push(wireType === WireType.Varint ? BigInt(reader.int64()) : reader.bytes());
    fields.set(field, values);
  }
  return fields;
}

export function textOf(fields: Fields, field: number): string {
  return Buffer.from(bytesOf(fields, field)).toString();
}

export function bytesOf(fields: Fields, field: number): Uint8Array {
  const value = fields.get(field)?.[0];
  assert.ok(value instanceof Uint8Array, `field ${field} is not there`);
  return value;
}

export interface DecodedStatus {
  readonly code: number;
  readonly message: string;
  /** Encoded messages by the last part of their type's name. */
  readonly details: ReadonlyMap<string, Fields>;
}

export function decodeStatus(metadata: Metadata): DecodedStatus {
  const [value] = metadata.get("grpc-status-details-bin");
  assert.ok(Buffer.isBuffer(value), "the status has no details");
  const status = fieldsOf(value);
  const details = new Map<string, Fields>();
  for (const any of status.get(3) ?? []) {
    assert.ok(any instanceof Uint8Array);
    const url = textOf(fieldsOf(any), 1);
    assert.match(url, /^type\.googleapis\.com\/google\.rpc\./);
    details.set(url.slice(url.lastIndexOf(".") + 1), fieldsOf(bytesOf(fieldsOf(any), 2)));
  }
  return { code: Number(status.get(1)?.[0]), message: textOf(status, 2), details };
}

export function errorInfoOf(metadata: Metadata): {
  reason: string;
  domain: string;
  metadata: Record<string, string>;
} {
  const info = decodeStatus(metadata).details.get("ErrorInfo");
  assert.ok(info !== undefined, "the status has no ErrorInfo");
  const entries = (info.get(3) ?? []).map((entry): [string, string] => {
    assert.ok(entry instanceof Uint8Array);
    return [textOf(fieldsOf(entry), 1), textOf(fieldsOf(entry), 2)];
  });
  return {
    reason: textOf(info, 1),
    domain: textOf(info, 2),
    metadata: Object.fromEntries(entries),
  };
}
