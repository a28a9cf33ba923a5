/** HTTP/2 as it stands on the wire (RFC 9113), written by hand, so that it can be written wrongly. */
export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** A frame, which may say that it has another length than it has. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array(),
  length = payload.length,
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** The preface and settings, after which everything else may come. */
export const OPENING = Buffer.concat([PREFACE, frame(FrameType.settings, 0, 0)]);

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([id >> 8, id & 0xff]), uint32(value)]);
}

/** Headers in HPACK's plainest form: literal, not indexed, not compressed. */
export function headerBlock(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    headers.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]),
  );
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  if (bytes.length < 127) {
    length.push(bytes.length);
  } else {
    let rest = bytes.length - 127;
    length.push(127);
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

export type Headers = readonly (readonly [string, string])[];

/** What a call begins with, with further headers or others in their place. */
export function callHeaders(path: string, further: Headers = []): Buffer {
  const usual: Headers = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ];
  const others = new Set(further.map(([name]) => name));
  return headerBlock([...usual.filter(([name]) => !others.has(name)), ...further]);
}

/** A message as gRPC sends it, which may say that it is compressed or has another length. */
export function message(body: Uint8Array, flag = 0, length = body.length): Buffer {
  return Buffer.concat([Buffer.from([flag]), uint32(length), body]);
}

/** A whole call with the bytes that are given for its body. */
export function call(stream: number, path: string, body: Uint8Array, further?: Headers): Buffer {
  return Buffer.concat([
    frame(FrameType.headers, END_HEADERS, stream, callHeaders(path, further)),
    frame(FrameType.data, END_STREAM, stream, body),
  ]);
}
