import { Client, type ChannelCredentials, type ServiceError } from "@grpc/grpc-js";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { principalName } from "../../../server/auth/principal.js";
import { GrpcServer } from "../../../server/grpc/grpc-server.js";
import type { TransportLimits } from "../../../server/grpc/transport-limits.js";
import {
  fromBytes,
  MemoryLog,
  sayPath,
  textDefinition,
  toBytes,
} from "../../unit/grpc/text-service.js";

/** A directory that goes with the test. */
export class TestDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "forkbus-access-"));

  in(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A server whose Say answers with the caller's principal, and whose List never ends. */
export class NamingServer implements AsyncDisposable {
  readonly log = new MemoryLog();
  readonly server: GrpcServer;
  streams = 0;

  constructor(limits: Partial<TransportLimits> = {}) {
    this.server = new GrpcServer({ log: this.log, limits });
    this.server.serve(textDefinition, {
      say: (_request, { principal }) => Promise.resolve(principalName(principal)),
      list: (_request, { signal }) => this.#endless(signal),
      chat: (requests) => requests,
    });
  }

  async *#endless(signal: AbortSignal): AsyncGenerator<string> {
    this.streams += 1;
    try {
      for (;;) {
        yield "x".repeat(10_000);
        if (signal.aborted) return;
        await Promise.resolve();
      }
    } finally {
      this.streams -= 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop({ graceMs: 0 });
  }
}

/** Calls Say once, on a connection of its own. */
export async function say(address: string, creds: ChannelCredentials): Promise<string> {
  // The certificates name this host; TLS has no server names that are addresses.
  const client = new Client(address, creds, { "grpc.ssl_target_name_override": "localhost" });
  try {
    return await new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + 5000 };
      const done = (error: ServiceError | null, value?: string): void => {
        if (error === null) resolve(value ?? "");
        else reject(error);
      };
      client.makeUnaryRequest(sayPath, toBytes, fromBytes, "who am I", options, done);
    });
  } finally {
    client.close();
  }
}

export function connectTo(address: string): Socket {
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
  const socket = connect(Number(port), host);
  socket.on("error", () => undefined);
  return socket;
}
