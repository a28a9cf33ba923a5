import { Client, credentials, type ClientOptions } from "@grpc/grpc-js";
import type { Handlers } from "../../../server/grpc/adapter.js";
import { GrpcServer } from "../../../server/grpc/grpc-server.js";
import type { TransportLimits } from "../../../server/grpc/transport-limits.js";
import { Rope } from "../../../wire/rope.js";
import type { LogFields, Logger } from "../../../server/observability/logger.js";

/**
 * A message that is a text and nothing else. The text "malformed" does not decode, "unencodable" not encode; one that
 * begins with "rope:" is encoded in several pieces.
 */
const text = {
  encode(message: string): { finish(): Uint8Array | Rope } {
    if (message === "unencodable") throw new Error("not a text that can be sent");
    if (message.startsWith("rope:")) {
      const pieces = message.split(/(?<=[:,])/).map((piece) => Buffer.from(piece));
      return { finish: () => new Rope(pieces) };
    }
    return { finish: () => Buffer.from(message) };
  },
  decode(input: Uint8Array): string {
    const message = Buffer.from(input).toString();
    if (message === "malformed") throw new Error("premature end");
    return message;
  },
};

export const textDefinition = {
  fullName: "test.v1.TextService",
  methods: {
    say: {
      name: "Say",
      requestType: text,
      requestStream: false,
      responseType: text,
      responseStream: false,
    },
    list: {
      name: "List",
      requestType: text,
      requestStream: false,
      responseType: text,
      responseStream: true,
    },
    chat: {
      name: "Chat",
      requestType: text,
      requestStream: true,
      responseType: text,
      responseStream: true,
    },
  },
} as const;

export const sayPath = "/test.v1.TextService/Say";
export const listPath = "/test.v1.TextService/List";
export const chatPath = "/test.v1.TextService/Chat";
export const toBytes = (message: string): Buffer => Buffer.from(message);
export const fromBytes = (bytes: Buffer): string => bytes.toString();

export class MemoryLog implements Logger {
  readonly events: { level: string; message: string; fields: LogFields }[] = [];

  debug(): void {
    // Connections come and go.
  }

  info(message: string, fields: LogFields = {}): void {
    this.events.push({ level: "info", message, fields });
  }

  warn(message: string, fields: LogFields = {}): void {
    this.events.push({ level: "warn", message, fields });
  }

  error(message: string, fields: LogFields = {}): void {
    this.events.push({ level: "error", message, fields });
  }

  errors(): LogFields[] {
    return this.events.filter((event) => event.level === "error").map((event) => event.fields);
  }
}

/** A server of the text service on loopback, and a client of it. */
export class TextServer implements AsyncDisposable {
  readonly log = new MemoryLog();
  readonly server: GrpcServer;
  readonly address: string;
  readonly client: Client;

  private constructor(server: GrpcServer, log: MemoryLog, address: string, options: ClientOptions) {
    this.server = server;
    this.log = log;
    this.address = address;
    this.client = new Client(address, credentials.createInsecure(), options);
  }

  static async start(
    handlers: Partial<Handlers<typeof textDefinition>>,
    options: { limits?: Partial<TransportLimits>; client?: ClientOptions } = {},
  ): Promise<TextServer> {
    const log = new MemoryLog();
    const server = new GrpcServer({ log, limits: options.limits ?? {} });
    server.serve(textDefinition, { ...unused, ...handlers });
    const address = await server.listen({ kind: "insecure", host: "127.0.0.1", port: 0 });
    return new TextServer(server, log, address, options.client ?? {});
  }

  say(message: string, deadline?: Date): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = deadline === undefined ? {} : { deadline };
      this.client.makeUnaryRequest(
        sayPath,
        toBytes,
        fromBytes,
        message,
        options,
        (error, value) => {
          if (error !== null) reject(error);
          else resolve(value ?? "");
        },
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await this.server.stop({ graceMs: 0 });
  }
}

const unused: Handlers<typeof textDefinition> = {
  say: (request) => Promise.resolve(request),
  list: async function* (request) {
    await Promise.resolve();
    yield request;
  },
  chat: async function* (requests) {
    for await (const request of requests) yield request;
  },
};

/** Looks again until it is so. Fails after the deadline, naming what was waited for. */
export async function until(
  what: string,
  condition: () => boolean,
  withinMs = 5000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
