/** Frames of the keeper protocol, see docs/KEEPER.md. Pure: bytes in, values out. */

/** The most that a frame may hold after its length. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;
const HEADER_BYTES = 12;
const FIELD_HEADER_BYTES = 8;

export const FrameType = {
  hello: 1,
  welcome: 2,
  spawn: 3,
  signal: 4,
  ackExit: 5,
  writeStdin: 6,
  list: 7,
  scanLogs: 8,
  remove: 9,
  upgrade: 10,
  shutdown: 11,
  adopt: 12,
  fork: 13,
  go: 14,
  pin: 15,
  unserve: 16,
  ok: 64,
  error: 65,
  stdin: 66,
  worker: 67,
  listEnd: 68,
  logs: 69,
  spawned: 96,
  spawnFailed: 97,
  exited: 98,
  treeGone: 99,
  stdinReady: 100,
  born: 101,
  serving: 102,
  firstLine: 103,
} as const;

export const Tag = {
  id: 1,
  versionMin: 2,
  versionMax: 3,
  errno: 4,
  step: 5,
  path: 6,
  arg: 7,
  env: 8,
  cwd: 9,
  cpus: 10,
  rlimit: 11,
  uid: 12,
  gid: 13,
  flags: 14,
  logMaxBytes: 15,
  pid: 16,
  startTicks: 17,
  startTimeNs: 18,
  state: 19,
  exitCodeKind: 20,
  exitValue: 21,
  usage: 22,
  endTimeNs: 23,
  signal: 24,
  scope: 25,
  offset: 26,
  data: 27,
  close: 28,
  cgroup: 29,
  message: 30,
  keeperVersion: 31,
  features: 32,
  maxWorkers: 33,
  instance: 34,
  bootId: 35,
  pidNamespace: 36,
  timings: 37,
  stdoutPosition: 38,
  stderrPosition: 39,
  tree: 40,
  directory: 41,
  umask: 42,
  exitSource: 44,
  server: 45,
  moments: 46,
  serving: 47,
  limit: 48,
} as const;

export type Field = readonly [tag: number, value: Uint8Array];

export interface Frame {
  readonly type: number;
  /** Ties a reply to its request; 0 in notices. */
  readonly request: number;
  readonly fields: readonly Field[];
}

/** Throws when the frame is larger than the keeper takes, which would end the connection. */
export function encodeFrame({ type, request, fields }: Frame): Buffer {
  const size = fields.reduce(
    (sum, [, value]) => sum + FIELD_HEADER_BYTES + value.length,
    HEADER_BYTES,
  );
  if (size - 4 > MAX_FRAME_BYTES) {
    throw new RangeError(`A frame has at most ${MAX_FRAME_BYTES} bytes, and this one has ${size}`);
  }
  const frame = Buffer.alloc(size);
  frame.writeUInt32LE(size - 4, 0);
  frame.writeUInt16LE(type, 4);
  frame.writeUInt32LE(request, 8);
  let at = HEADER_BYTES;
  for (const [tag, value] of fields) {
    frame.writeUInt16LE(tag, at);
    frame.writeUInt32LE(value.length, at + 4);
    frame.set(value, at + FIELD_HEADER_BYTES);
    at += FIELD_HEADER_BYTES + value.length;
  }
  return frame;
}

/** Cuts a stream of bytes into frames. Throws when the bytes cannot be frames. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  *read(chunk: Buffer): Iterable<Frame> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      if (this.#bytes < HEADER_BYTES) return;
      const length = this.#joined().readUInt32LE(0);
      if (length < HEADER_BYTES - 4 || length > MAX_FRAME_BYTES) {
        throw new Error(`A frame of ${length} bytes came from the keeper`);
      }
      if (this.#bytes < length + 4) return;
      const joined = this.#joined();
      const rest = joined.subarray(length + 4);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#bytes = rest.length;
      yield decodeFrame(joined.subarray(0, length + 4));
    }
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    // The length of a large frame is looked at again with each chunk: join only when needed.
    if (first !== undefined && this.#chunks.length > 1 && first.length >= HEADER_BYTES) {
      if (this.#bytes < first.readUInt32LE(0) + 4) return first;
    }
    const joined =
      this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}

function decodeFrame(bytes: Buffer): Frame {
  const fields: Field[] = [];
  for (let at = HEADER_BYTES; at < bytes.length;) {
    if (at + FIELD_HEADER_BYTES > bytes.length) throw new Error("A frame ends inside a field");
    const length = bytes.readUInt32LE(at + 4);
    const start = at + FIELD_HEADER_BYTES;
    if (start + length > bytes.length) throw new Error("A field is longer than its frame");
    fields.push([bytes.readUInt16LE(at), bytes.subarray(start, start + length)]);
    at = start + length;
  }
  return { type: bytes.readUInt16LE(4), request: bytes.readUInt32LE(8), fields };
}
