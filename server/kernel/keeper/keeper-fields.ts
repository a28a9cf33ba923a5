import { sorted, type CpuSet } from "../../cpus/cpu-set.js";
import { parseProcessUid, type ProcessUid } from "../../core/ids.js";
import { type Field, type Frame, type Tag } from "./keeper-frame.js";

type TagNumber = (typeof Tag)[keyof typeof Tag];

/** Values of the keeper protocol as fields of a frame. */
export const field = {
  u32: (tag: TagNumber, value: number): Field => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    return [tag, bytes];
  },
  u64: (tag: TagNumber, value: bigint): Field => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return [tag, bytes];
  },
  text: (tag: TagNumber, value: string): Field => [tag, Buffer.from(value)],
  bytes: (tag: TagNumber, value: Uint8Array): Field => [tag, value],
  uid: (tag: TagNumber, value: ProcessUid): Field => [tag, Buffer.from(value, "hex")],
  cpus: (tag: TagNumber, cpus: CpuSet): Field => {
    const bytes = Buffer.alloc(Math.floor((cpus.at(-1) ?? 0) / 8) + 1);
    for (const cpu of cpus) bytes[cpu >> 3] = (bytes[cpu >> 3] ?? 0) | (1 << (cpu & 7));
    return [tag, bytes];
  },
};

/** Reads the fields of one frame; each getter throws when the field is missing or malformed. */
export class Fields {
  readonly #frame: Frame;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  has(tag: TagNumber): boolean {
    return this.#frame.fields.some(([found]) => found === tag);
  }

  u32(tag: TagNumber): number {
    return this.#bytes(tag, 4).readUInt32LE(0);
  }

  u64(tag: TagNumber): bigint {
    return this.#bytes(tag, 8).readBigUInt64LE(0);
  }

  u64s(tag: TagNumber, count: number): readonly bigint[] {
    const bytes = this.#bytes(tag, 8 * count);
    return Array.from({ length: count }, (_, index) => bytes.readBigUInt64LE(index * 8));
  }

  text(tag: TagNumber): string {
    return this.#bytes(tag).toString();
  }

  hex(tag: TagNumber): string {
    return this.#bytes(tag).toString("hex");
  }

  uid(tag: TagNumber): ProcessUid {
    const uid = parseProcessUid(this.hex(tag));
    if (uid === undefined) throw new Error("The keeper sent an id that is none");
    return uid;
  }

  cpus(tag: TagNumber): CpuSet {
    const cpus: number[] = [];
    this.#bytes(tag).forEach((byte, index) => {
      for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) cpus.push(index * 8 + bit);
    });
    return sorted(cpus);
  }

  #bytes(tag: TagNumber, length?: number): Buffer {
    const value = this.#frame.fields.find(([found]) => found === tag)?.[1];
    if (value === undefined || (length !== undefined && value.length !== length)) {
      throw new Error(
        `Field ${tag} of the keeper's frame ${this.#frame.type} is ${value === undefined ? "missing" : "malformed"}`,
      );
    }
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
}
