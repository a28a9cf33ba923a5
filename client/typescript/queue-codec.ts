/** How items become bytes, and bytes items. Producer and consumer must agree: the daemon never looks inside. */
export interface Codec<T> {
  encode(item: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

/** Throws a TypeError for what is no bytes, as in a JavaScript program that forgot its codec. */
export function encodeItem<T>(item: T, codec: Codec<T>): Uint8Array {
  const bytes: unknown = codec.encode(item);
  if (bytes instanceof Uint8Array) return bytes;
  const kind = bytes === null ? "null" : typeof bytes;
  throw new TypeError(`An item of a queue is a Uint8Array, got ${kind}: is a codec missing?`);
}

export const bytesCodec: Codec<Uint8Array> = {
  encode: (item) => item,
  decode: (bytes) => bytes,
};

/** Throws for bytes that are not UTF-8, rather than handing on something else. */
export const utf8Codec: Codec<string> = {
  encode: (item) => new TextEncoder().encode(item),
  decode: (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
};

export const jsonCodec: Codec<unknown> = {
  encode: (item) => {
    const text: unknown = JSON.stringify(item);
    if (typeof text !== "string") throw new TypeError(`JSON cannot say ${typeof item}`);
    return utf8Codec.encode(text);
  },
  decode: (bytes) => {
    const item: unknown = JSON.parse(utf8Codec.decode(bytes));
    return item;
  },
};

/** Codecs by name, and what their items are. */
export interface CodecItems {
  readonly bytes: Uint8Array;
  readonly utf8: string;
  readonly json: unknown;
}

export const codecs: { readonly [Name in keyof CodecItems]: Codec<CodecItems[Name]> } = {
  bytes: bytesCodec,
  utf8: utf8Codec,
  json: jsonCodec,
};
