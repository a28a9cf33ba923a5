/** The keeper protocol as the tests speak it: written from docs/KEEPER.md, apart from the daemon's own client. */
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

export const Type = {
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

export const Step = {
  request: 1,
  directory: 2,
  files: 3,
  cgroup: 4,
  clone: 5,
  session: 6,
  rlimit: 7,
  affinity: 8,
  user: 9,
  cwd: 10,
  exec: 11,
  birth: 12,
  fork: 13,
  specification: 14,
  limits: 15,
} as const;

export const Flag = {
  stdinPipe: 1,
  mergeStderr: 2,
  nullStdout: 4,
  nullStderr: 8,
  waitTree: 16,
  link: 32,
  hold: 64,
} as const;

export type Field = readonly [tag: number, value: Buffer];

export function u32(tag: number, value: number): Field {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return [tag, bytes];
}

export function u64(tag: number, value: bigint): Field {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return [tag, bytes];
}

export function text(tag: number, value: string): Field {
  return [tag, Buffer.from(value)];
}

export function rlimit(resource: number, soft: bigint, hard: bigint): Field {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32LE(resource);
  bytes.writeBigUInt64LE(soft, 4);
  bytes.writeBigUInt64LE(hard, 12);
  return [Tag.rlimit, bytes];
}

export function encodeFrame(type: number, request: number, fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [];
  for (const [tag, value] of fields) {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(tag);
    head.writeUInt32LE(value.length, 4);
    parts.push(head, value);
  }
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(8 + body.length);
  head.writeUInt16LE(type, 4);
  head.writeUInt32LE(request, 8);
  return Buffer.concat([head, body]);
}

export interface Position {
  readonly epoch: bigint;
  readonly begin: bigint;
  readonly end: bigint;
}

/** A frame from the keeper; reading a field that is not there fails the test. */
export class Frame {
  readonly type: number;
  readonly request: number;
  readonly #fields = new Map<number, Buffer>();

  constructor(bytes: Buffer) {
    this.type = bytes.readUInt16LE(4);
    this.request = bytes.readUInt32LE(8);
    for (let at = 12; at < bytes.length;) {
      const length = bytes.readUInt32LE(at + 4);
      this.#fields.set(bytes.readUInt16LE(at), bytes.subarray(at + 8, at + 8 + length));
      at += 8 + length;
    }
  }

  has(tag: number): boolean {
    return this.#fields.has(tag);
  }

  bytes(tag: number): Buffer {
    const value = this.#fields.get(tag);
    if (value === undefined) throw new Error(`Frame of type ${this.type} has no field ${tag}`);
    return value;
  }

  u32(tag: number): number {
    return this.bytes(tag).readUInt32LE();
  }

  u64(tag: number): bigint {
    return this.bytes(tag).readBigUInt64LE();
  }

  text(tag: number): string {
    return this.bytes(tag).toString();
  }

  position(tag: number): Position {
    const bytes = this.bytes(tag);
    return {
      epoch: bytes.readBigUInt64LE(0),
      begin: bytes.readBigUInt64LE(8),
      end: bytes.readBigUInt64LE(16),
    };
  }
}
