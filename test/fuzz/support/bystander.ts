import { type Client, type ServiceError } from "@grpc/grpc-js";
import { GetServerStatusRequest } from "../../../proto/gen/forkbus/v1/admin.js";
import { PutRequest } from "../../../proto/gen/forkbus/v1/queue.js";

const ANSWER_MS = 20_000;

/** A client in good faith that calls and calls while others attack. */
export class Bystander {
  readonly #client: Client;
  readonly #calls: Promise<void>;
  readonly #tookMs: number[] = [];
  #isDone = false;

  constructor(client: Client, queue: string) {
    this.#client = client;
    this.#calls = this.#callAgain(queue);
    // The end is waited for later; until then a failure is nobody's fault.
    this.#calls.catch(() => undefined);
  }

  /** Fails if any of its calls has failed. Resolves to what one in a hundred calls took longer than. */
  async done(): Promise<{ readonly calls: number; readonly p99Ms: number }> {
    this.#isDone = true;
    try {
      await this.#calls;
    } finally {
      this.#client.close();
    }
    const sorted = this.#tookMs.toSorted((a, b) => a - b);
    return { calls: sorted.length, p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? NaN };
  }

  async #callAgain(queue: string): Promise<void> {
    const items = [Buffer.from("item")];
    const put = PutRequest.encode(PutRequest.fromPartial({ queue, frame: { items } })).finish();
    const ask = GetServerStatusRequest.encode({}).finish();
    do {
      const begun = performance.now();
      await this.#call("/forkbus.v1.QueueService/Put", put);
      await this.#call("/forkbus.v1.AdminService/GetServerStatus", ask);
      this.#tookMs.push((performance.now() - begun) / 2);
    } while (!this.#isDone);
  }

  #call(path: string, request: Uint8Array): Promise<void> {
    const options = { deadline: Date.now() + ANSWER_MS };
    const same = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null): void => {
        if (error === null) resolve();
        else reject(error);
      };
      this.#client.makeUnaryRequest(path, same, same, Buffer.from(request), options, done);
    });
  }
}
