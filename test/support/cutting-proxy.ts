import { createConnection, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";

/**
 * Passes connections on to a daemon's socket, and can cut them at any byte: what had not been
 * passed on by then never arrives.
 */
export class CuttingProxy implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Bytes after which all connections are cut, one cut after the other. */
  #budgets: number[] = [];
  cuts = 0;

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
  }

  static async start(path: string, target: string): Promise<CuttingProxy> {
    const server = createServer();
    const proxy = new CuttingProxy(path, server);
    server.on("connection", (inner) => {
      proxy.#join(inner, createConnection(target));
    });
    server.listen(path);
    await once(server, "listening");
    return proxy;
  }

  /** Cuts every connection each time that so many more bytes have passed, in either direction. */
  cutAfter(bytes: readonly number[]): void {
    this.#budgets = [...bytes];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(inner: Socket, outer: Socket): void {
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (chunk: Buffer) => {
        this.#pass(chunk, from, to);
      });
      from.on("drain", () => to.resume());
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  #pass(chunk: Buffer, from: Socket, to: Socket): void {
    const budget = this.#budgets[0] ?? Infinity;
    const passing = chunk.subarray(0, Math.min(chunk.length, budget));
    if (!to.write(passing)) from.pause();
    if (budget > chunk.length) {
      if (this.#budgets.length > 0) this.#budgets[0] = budget - chunk.length;
      return;
    }
    this.#budgets.shift();
    this.cuts++;
    for (const socket of this.#sockets) socket.destroy();
  }
}
