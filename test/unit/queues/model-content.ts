/** An item of a put: what it is and what it takes of the budget. */
export interface Content {
  readonly bytes: Uint8Array;
  /** As it travels: tag, length, bytes. */
  readonly encodedBytes: number;
  readonly cost: number;
}

/** What a put takes of the budget beside its items, which is given back with the last of them. */
const putOverhead = 320;

export function contentsOf(items: readonly Uint8Array[]): Content[] {
  return items.map((bytes, index) => {
    const encodedBytes = 1 + varintBytes(bytes.length) + bytes.length;
    const overhead = index === items.length - 1 ? putOverhead : 0;
    return { bytes, encodedBytes, cost: encodedBytes + overhead };
  });
}

function varintBytes(value: number): number {
  return Math.max(1, Math.ceil(value.toString(2).length / 7));
}

/** Enough of an item to know it by: those of the model are of one byte, repeated. */
export function describeItem(bytes: Uint8Array): string {
  const first = Buffer.from(bytes.subarray(0, 1)).toString("hex");
  return `${bytes.length} of ${first}`;
}

export function costOf(items: readonly Content[]): number {
  return items.reduce((sum, { cost }) => sum + cost, 0);
}
