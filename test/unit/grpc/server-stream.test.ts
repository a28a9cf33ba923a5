import { status, type ClientReadableStream, type ServiceError } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { DomainError } from "../../../server/core/errors.js";
import { deferred } from "../../../server/core/deferred.js";
import { ResponseStream } from "../../../server/grpc/response-stream.js";
import { RawClient } from "./raw-client.js";
import { fromBytes, listPath, TextServer, toBytes, until } from "./text-service.js";

const mebibyte = 1024 * 1024;

function list(server: TextServer, request: string, deadline?: Date): ClientReadableStream<string> {
  const options = deadline === undefined ? {} : { deadline };
  return server.client.makeServerStreamRequest(listPath, toBytes, fromBytes, request, options);
}

/** Nothing new for as long as 20 turns of the event loop with i/o in between. */
async function settled(value: () => number): Promise<number> {
  for (let last = -1, turns = 0; ; turns++) {
    const current = value();
    if (current !== last) [last, turns] = [current, 0];
    if (turns === 100) return last;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe("a server stream", () => {
  it("delivers every message in order, then OK", async () => {
    await using server = await TextServer.start({
      list: async function* () {
        for (let n = 0; n < 2000; n++) {
          if (n % 7 === 0) await Promise.resolve();
          yield String(n);
        }
      },
    });
    const received: unknown[] = [];
    for await (const message of list(server, "x")) received.push(message);
    assert.deepEqual(
      received,
      Array.from({ length: 2000 }, (_, n) => String(n)),
    );
  });

  it("delivers what came before a failure, then its status", async () => {
    await using server = await TextServer.start({
      list: async function* () {
        await Promise.resolve();
        yield "one";
        yield "two";
        throw new DomainError("queue-deleted", "Queue jobs was deleted");
      },
    });
    const received: unknown[] = [];
    await assert.rejects(
      async () => {
        for await (const message of list(server, "x")) received.push(message);
      },
      (error: ServiceError) => error.code === status.NOT_FOUND && /was deleted/.test(error.details),
    );
    assert.deepEqual(received, ["one", "two"]);
  });

  it("refuses a request that does not decode", async () => {
    await using server = await TextServer.start({});
    await assert.rejects(
      async () => {
        for await (const message of list(server, "malformed")) assert.fail(String(message));
      },
      (error: ServiceError) => error.code === status.INVALID_ARGUMENT,
    );
  });

  it("ends the handler when the client goes away", async () => {
    const ended = deferred<boolean>();
    await using server = await TextServer.start({
      list: async function* (_request, { signal }) {
        try {
          for (;;) {
            await Promise.resolve();
            yield "x".repeat(1000);
          }
        } finally {
          ended.resolve(signal.aborted);
        }
      },
    });
    const call = list(server, "x");
    call.on("error", () => undefined);
    call.once("data", () => {
      call.cancel();
    });
    assert.equal(await ended.promise, true);
    assert.deepEqual(server.log.errors(), []);
  });

  it("asks for no more when the reader does not read: 1 GiB costs a few messages of memory", async () => {
    let produced = 0;
    let ended = false;
    const message = "x".repeat(64 * 1024);
    await using server = await TextServer.start({
      list: async function* () {
        try {
          for (; produced < (1024 * mebibyte) / message.length; produced++) {
            await Promise.resolve();
            yield message;
          }
        } finally {
          ended = true;
        }
      },
    });
    const before = process.memoryUsage.rss();
    using reader = await RawClient.connect(server.address);
    for (let stream = 0; stream < 4; stream++) reader.call(listPath, "x");
    await until("it began", () => produced > 0);
    const stalled = await settled(() => produced);
    const perStreamBytes = (stalled / 4) * message.length;
    assert.ok(
      perStreamBytes <= ResponseStream.maxBufferedBytes + message.length,
      `${perStreamBytes} bytes for each stream`,
    );
    const grownBytes = process.memoryUsage.rss() - before;
    assert.ok(grownBytes < 32 * mebibyte, `grown by ${grownBytes} bytes`);
    assert.equal(await server.say("meanwhile"), "meanwhile");
    reader.destroy();
    await until("the handlers have ended", () => ended);
  });

  it("ends at the deadline for a reader that does not read", async () => {
    const ended = deferred();
    await using server = await TextServer.start({
      list: async function* () {
        try {
          for (;;) {
            await Promise.resolve();
            yield "x".repeat(64 * 1024);
          }
        } finally {
          ended.resolve();
        }
      },
    });
    using reader = await RawClient.connect(server.address);
    reader.call(listPath, "x", { "grpc-timeout": "500m" });
    await ended.promise;
  });

  it("drains before a stop, and is broken off when the grace is over", async () => {
    const goOn = deferred();
    await using server = await TextServer.start({
      list: async function* (request) {
        yield "started";
        if (request === "patient") await goOn.promise;
        else await new Promise(() => undefined);
        yield "last";
      },
    });
    const patient = list(server, "patient");
    const received: unknown[] = [];
    for await (const message of patient) {
      received.push(message);
      if (received.length === 1) {
        void server.server.stop({ graceMs: 5000, beforeDrain: goOn.resolve });
      }
    }
    assert.deepEqual(received, ["started", "last"]);
    await server.server.stop({ graceMs: 5000 });

    await using other = await TextServer.start({
      list: async function* (_request, { signal }) {
        yield "started";
        await new Promise((resolve) => {
          signal.addEventListener("abort", resolve);
        });
      },
    });
    let broken: number | undefined;
    for await (const message of list(other, "stubborn").on("error", (error: ServiceError) => {
      broken = error.code;
    })) {
      assert.equal(message, "started");
      await other.server.stop({ graceMs: 50 });
      break;
    }
    await until("the stream was broken off", () => broken !== undefined);
  });
});
