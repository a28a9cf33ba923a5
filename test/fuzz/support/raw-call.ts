import { type DescMethod } from "@bufbuild/protobuf";
import { Client, credentials, type Metadata, type status, type StatusObject } from "@grpc/grpc-js";
import { pathOf } from "./served-methods.js";

/** What a client does in one call. */
export interface CallPlan {
  /** Bytes of messages: one, unless the method takes a stream. */
  readonly messages: readonly Buffer[];
  /** After the last message: end the request, cancel the call, or leave it open for the answer. */
  readonly ending: "half-close" | "cancel" | "open";
  /** How long the client waits for the end of the call. */
  readonly withinMs: number;
  /** What it does then: the daemon was told the deadline and ends the call too, or the client cancels. */
  readonly giveUp: "deadline" | "cancel";
}

export interface Outcome {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
  readonly responses: readonly Buffer[];
  readonly tookMs: number;
}

/** So many responses are kept of an endless stream. */
const KEPT_RESPONSES = 10;

/** Connections of a client that sends bytes as they are. */
export class RawCaller implements Disposable {
  readonly #clients: readonly Client[];
  #next = 0;

  constructor(address: string, connections: number) {
    const options = { "grpc.use_local_subchannel_pool": 1, "grpc.max_receive_message_length": -1 };
    this.#clients = Array.from(
      { length: connections },
      () => new Client(address, credentials.createInsecure(), options),
    );
  }

  /** Resolves when the call has ended, however it did. */
  call(method: DescMethod, plan: CallPlan): Promise<Outcome> {
    const client = this.#clients[this.#next++ % this.#clients.length];
    if (client === undefined) throw new Error("There is no connection");
    const deadline = plan.giveUp === "deadline" ? { deadline: Date.now() + plan.withinMs } : {};
    // To grpc-js every call is a stream of messages: fewer kinds to tell apart.
    const call = client.makeBidiStreamRequest(pathOf(method), same, same, deadline);
    const responses: Buffer[] = [];
    const begun = performance.now();
    return new Promise((resolve) => {
      const cancel = (): void => {
        call.cancel();
      };
      const timer = plan.giveUp === "cancel" ? setTimeout(cancel, plan.withinMs) : undefined;
      // The status tells it all; an error without a listener would be thrown.
      call.on("error", () => undefined);
      call.on("data", (bytes: Buffer) => {
        if (responses.length < KEPT_RESPONSES) responses.push(bytes);
      });
      call.on("status", ({ code, details, metadata }: StatusObject) => {
        clearTimeout(timer);
        resolve({ code, details, metadata, responses, tookMs: performance.now() - begun });
      });
      for (const message of plan.messages) call.write(message);
      if (plan.ending === "half-close") call.end();
      if (plan.ending === "cancel") setImmediate(cancel);
    });
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.close();
  }
}

function same(bytes: Buffer): Buffer {
  return bytes;
}
