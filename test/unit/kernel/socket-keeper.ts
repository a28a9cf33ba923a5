import { createServer, type Server, type Socket } from "node:net";
import { field } from "../../../server/kernel/keeper/keeper-fields.js";
import {
  encodeFrame,
  type Field,
  type Frame,
  FrameReader,
  FrameType,
  Tag,
} from "../../../server/kernel/keeper/keeper-frame.js";

/** Answers to requests of one type: frames without the request's number. */
type Answer = readonly (readonly [type: number, fields: readonly Field[]])[];

/** A keeper on a Unix socket, in this process, that says what the test wants it to say. */
export class SocketKeeper implements AsyncDisposable {
  version = "1";
  /** Sent in the same write as the end of the list. */
  behindList: Buffer = Buffer.alloc(0);
  workers: Answer = [];
  readonly requests: Frame[] = [];
  readonly connections = new Set<Socket>();
  accepted = 0;
  /** Undefined: the request stays without an answer. */
  answer: (frame: Frame) => Answer | undefined = () => [[FrameType.ok, []]];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((socket) => {
      this.#serve(socket);
    });
  }

  static async listen(path: string): Promise<SocketKeeper> {
    const keeper = new SocketKeeper();
    await new Promise<void>((resolve) => keeper.#server.listen(path, resolve));
    return keeper;
  }

  requestsOf(type: number): readonly Frame[] {
    return this.requests.filter((frame) => frame.type === type);
  }

  send(bytes: Buffer): void {
    for (const socket of this.connections) socket.write(bytes);
  }

  drop(): void {
    for (const socket of this.connections) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #serve(socket: Socket): void {
    this.accepted++;
    this.connections.add(socket);
    const reader = new FrameReader();
    socket.on("data", (chunk) => {
      for (const frame of reader.read(chunk)) {
        this.requests.push(frame);
        const answer = this.#answer(frame);
        const parts = answer?.map(([type, fields]) => ({ type, request: frame.request, fields }));
        const behind = frame.type === FrameType.list ? this.behindList : Buffer.alloc(0);
        if (parts !== undefined) socket.write(Buffer.concat([...parts.map(encodeFrame), behind]));
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => this.connections.delete(socket));
  }

  #answer(frame: Frame): Answer | undefined {
    const given = this.answer(frame);
    if (given === undefined) return undefined;
    if (frame.type === FrameType.hello) return [[FrameType.welcome, this.#welcome()]];
    if (frame.type === FrameType.list) return [...this.workers, [FrameType.listEnd, []]];
    return given;
  }

  #welcome(): readonly Field[] {
    return [
      field.bytes(Tag.instance, Buffer.from("ab", "hex")),
      field.text(Tag.bootId, "boot"),
      field.u64(Tag.pidNamespace, 1n),
      field.text(Tag.keeperVersion, this.version),
      field.u32(Tag.pid, 5),
      field.u32(Tag.features, 0),
      field.u32(Tag.maxWorkers, 10),
      field.text(Tag.directory, "/d"),
    ];
  }
}

export function notice(type: number, ...fields: readonly Field[]): Buffer {
  return encodeFrame({ type, request: 0, fields });
}
