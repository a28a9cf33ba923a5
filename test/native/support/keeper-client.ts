import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { encodeFrame, type Field, Frame, Tag, text, Type, u32, u64 } from "./wire.js";
import { waitUntil } from "./wait-until.js";

export interface SpawnOptions {
  readonly id?: Buffer;
  readonly argv: readonly string[];
  readonly path?: string;
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly flags?: number;
  readonly logMaxBytes?: bigint;
  readonly more?: readonly Field[];
}

export class KeeperError extends Error {
  readonly errno: number;
  readonly frame: Frame;
  constructor(frame: Frame) {
    super(`keeper answered errno ${frame.u32(Tag.errno)}`);
    this.errno = frame.u32(Tag.errno);
    this.frame = frame;
  }
}

export const newId = (): Buffer => randomBytes(16);

/** One connection. Every frame that came is kept, in order, in `frames`. */
export class KeeperClient implements Disposable {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  closed = false;
  #received = Buffer.alloc(0);
  #lastRequest = 0;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#takeFrames();
    });
    this.socket.on("error", () => {
      this.closed = true;
    });
    this.socket.on("close", () => {
      this.closed = true;
    });
  }

  #takeFrames(): void {
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readUInt32LE();
      if (this.#received.length < end) return;
      this.frames.push(new Frame(Buffer.from(this.#received.subarray(0, end))));
      this.#received = this.#received.subarray(end);
    }
  }

  /** Connects, greets and lists, after which notices flow. */
  static async open(path: string): Promise<KeeperClient> {
    const client = new KeeperClient(path);
    await client.hello();
    await client.list();
    return client;
  }

  send(type: number, fields: readonly Field[] = []): number {
    this.#lastRequest += 1;
    this.socket.write(encodeFrame(type, this.#lastRequest, fields));
    return this.#lastRequest;
  }

  /** The reply; throws KeeperError for ERROR. */
  async ask(type: number, fields: readonly Field[] = []): Promise<Frame> {
    const request = this.send(type, fields);
    const reply = await waitUntil(`the reply to request type ${type}`, () => {
      const frame = this.frames.find((candidate) => candidate.request === request);
      if (frame === undefined && this.closed) throw new Error("The keeper closed the connection");
      return frame;
    });
    if (reply.type === Type.error) throw new KeeperError(reply);
    return reply;
  }

  hello(min = 1, max = 1): Promise<Frame> {
    return this.ask(Type.hello, [u32(Tag.versionMin, min), u32(Tag.versionMax, max)]);
  }

  async list(): Promise<Frame[]> {
    const request = this.send(Type.list);
    await waitUntil("LIST_END", () =>
      this.frames.find((frame) => frame.request === request && frame.type === Type.listEnd),
    );
    return this.frames.filter((frame) => frame.request === request && frame.type === Type.worker);
  }

  spawn(options: SpawnOptions): Buffer {
    const id = options.id ?? newId();
    const path = options.path ?? options.argv[0] ?? "";
    const fields: Field[] = [[Tag.id, id], text(Tag.path, path)];
    for (const argument of options.argv) fields.push(text(Tag.arg, argument));
    const env = options.env ?? ["PATH=/usr/bin:/bin"];
    for (const variable of [...env, `FORKBUS_PROCESS_ID=${id.toString("hex")}`]) {
      fields.push(text(Tag.env, variable));
    }
    fields.push(text(Tag.cwd, options.cwd ?? "/"), u32(Tag.flags, options.flags ?? 0));
    fields.push(u64(Tag.logMaxBytes, options.logMaxBytes ?? 0n));
    this.send(Type.spawn, [...fields, ...(options.more ?? [])]);
    return id;
  }

  notice(type: number, id: Buffer, deadlineMs?: number): Promise<Frame> {
    return waitUntil(
      `notice ${type}`,
      () =>
        this.frames.find((f) => f.request === 0 && f.type === type && f.bytes(Tag.id).equals(id)),
      deadlineMs,
    );
  }

  async spawned(options: SpawnOptions): Promise<{ id: Buffer; pid: number; frame: Frame }> {
    const id = this.spawn(options);
    const frame = await waitUntil("SPAWNED", () =>
      this.frames.find(
        (f) =>
          (f.type === Type.spawned || f.type === Type.spawnFailed) && f.bytes(Tag.id).equals(id),
      ),
    );
    if (frame.type === Type.spawnFailed) {
      throw new Error(`Spawn failed: step ${frame.u32(Tag.step)} errno ${frame.u32(Tag.errno)}`);
    }
    return { id, pid: frame.u32(Tag.pid), frame };
  }

  /** Spawns what must fail, and returns [step, errno]. */
  async refused(options: SpawnOptions): Promise<[step: number, errno: number]> {
    const frame = await this.notice(Type.spawnFailed, this.spawn(options));
    return [frame.u32(Tag.step), frame.u32(Tag.errno)];
  }

  signal(id: Buffer, signal: number, scope = 0): Promise<Frame> {
    return this.ask(Type.signal, [[Tag.id, id], u32(Tag.signal, signal), u32(Tag.scope, scope)]);
  }

  exited(id: Buffer, deadlineMs?: number): Promise<Frame> {
    return this.notice(Type.exited, id, deadlineMs);
  }

  acknowledge(id: Buffer): Promise<Frame> {
    return this.ask(Type.ackExit, [[Tag.id, id]]);
  }

  writeStdin(id: Buffer, offset: bigint, data: string | Buffer, close = false): Promise<Frame> {
    return this.ask(Type.writeStdin, [
      [Tag.id, id],
      u64(Tag.offset, offset),
      [Tag.data, Buffer.from(data)],
      u32(Tag.close, close ? 1 : 0),
    ]);
  }

  /** Ends the connection and waits until the keeper knows. */
  async close(): Promise<void> {
    this.socket.end();
    await waitUntil("the end of the connection", () => this.closed);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
