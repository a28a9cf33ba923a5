import { type ClientDuplexStream, type ServiceError, status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingHttpHeaders } from "node:http2";
import { DomainError } from "../../../server/core/errors.js";
import { deferred } from "../../../server/core/deferred.js";
import { CallCancelled } from "../../../server/grpc/call-lifetime.js";
import { RequestStream } from "../../../server/grpc/request-stream.js";
import { errorInfoOf } from "./decode-status.js";
import { framed, RawClient } from "./raw-client.js";
import {
  chatPath,
  fromBytes,
  listPath,
  sayPath,
  TextServer,
  toBytes,
  until,
} from "./text-service.js";

type Chat = ClientDuplexStream<string, string>;

function chat(server: TextServer): Chat {
  return server.client.makeBidiStreamRequest(chatPath, toBytes, fromBytes);
}

/** All responses, and the error that the call ended with. */
async function outcome(call: Chat): Promise<{ received: string[]; error?: ServiceError }> {
  const received: string[] = [];
  try {
    for await (const message of call) received.push(String(message));
    return { received };
  } catch (error) {
    return { received, error: error as ServiceError };
  }
}

describe("a duplex call", () => {
  it("answers while requests come, and ends after the client's half-close", async () => {
    await using server = await TextServer.start({
      chat: async function* (requests) {
        for await (const request of requests) yield request.toUpperCase();
        yield "bye";
      },
    });
    const call = chat(server);
    const texts = Array.from({ length: 500 }, (_, n) => `text ${n}`);
    call.write("first");
    await once(call, "readable");
    for (const text of texts) call.write(text);
    call.end();
    const { received, error } = await outcome(call);
    assert.equal(error, undefined);
    assert.deepEqual(received, ["FIRST", ...texts.map((text) => text.toUpperCase()), "bye"]);
  });

  it("may end before the client does", async () => {
    await using server = await TextServer.start({
      chat: async function* (requests) {
        for await (const request of requests) {
          yield request;
          return;
        }
      },
    });
    const call = chat(server);
    call.write("one");
    call.write("two");
    assert.deepEqual(await outcome(call), { received: ["one"] });
  });

  it("aborts the signal when the client cancels in the middle, for reader and handler", async () => {
    const ended = deferred<unknown>();
    await using server = await TextServer.start({
      chat: async function* (requests, { signal }) {
        try {
          for await (const request of requests) yield request;
        } catch (error) {
          ended.resolve([error, signal.aborted]);
          throw error;
        }
      },
    });
    const call = chat(server);
    call.write("one");
    // The handler waits for the next request when the answer to this one has come.
    call.once("data", () => {
      call.cancel();
    });
    const failed = deferred<status>();
    call.on("status", ({ code }) => {
      failed.resolve(code);
    });
    call.on("error", () => undefined);
    const [error, aborted] = (await ended.promise) as [unknown, boolean];
    assert.ok(error instanceof CallCancelled && aborted);
    assert.equal(await failed.promise, status.CANCELLED);
    assert.deepEqual(server.log.errors(), []);
  });

  it("ends in INVALID_ARGUMENT at a request that does not decode, after what came before it", async () => {
    const handled: string[] = [];
    await using server = await TextServer.start({
      chat: async function* (requests) {
        for await (const request of requests) {
          handled.push(request);
          yield request;
        }
      },
    });
    const call = chat(server);
    for (const text of ["one", "two", "malformed", "three"]) call.write(text);
    const { received, error } = await outcome(call);
    assert.equal(error?.code, status.INVALID_ARGUMENT);
    assert.match(error.details, /test\.v1\.ChatRequest: premature end/);
    assert.deepEqual(
      [received, handled],
      [
        ["one", "two"],
        ["one", "two"],
      ],
    );
    assert.deepEqual(server.log.errors(), []);
  });

  it("refuses a request above the limit in the middle, with its reason", async () => {
    await using server = await TextServer.start({}, { limits: { requestMessageBytes: 1000 } });
    const call = chat(server);
    call.write("one");
    call.write("x".repeat(1001));
    const { received, error } = await outcome(call);
    assert.deepEqual(received, ["one"]);
    assert.ok(error);
    assert.equal(errorInfoOf(error.metadata).reason, "REQUEST_TOO_LARGE");
  });

  it("ends with the status of what the handler throws, a fault under a reference", async () => {
    await using server = await TextServer.start({
      chat: async function* (requests) {
        for await (const request of requests) {
          yield request;
          if (request === "known") throw new DomainError("producer-fenced", "Another one");
          throw new TypeError("x is not a function");
        }
      },
    });
    const known = chat(server);
    known.write("known");
    const first = await outcome(known);
    assert.deepEqual([first.received, first.error?.code], [["known"], status.ABORTED]);
    assert.deepEqual(server.log.errors(), []);
    const fault = chat(server);
    fault.write("fault");
    const second = await outcome(fault);
    assert.equal(second.error?.code, status.INTERNAL);
    assert.equal(server.log.errors().length, 1);
  });

  it("goes on reading requests while the client does not read responses", async () => {
    let read = 0;
    await using server = await TextServer.start({
      chat: async function* (requests) {
        const reading = (async () => {
          for await (const request of requests) read += request.length;
        })();
        for (let n = 0; n < 64; n++) yield "x".repeat(64 * 1024);
        await reading;
      },
    });
    using client = await RawClient.connect(server.address, { initialWindowSize: 0 });
    const call = client.open(chatPath);
    for (let n = 0; n < 2000; n++) call.write(framed("y".repeat(1000)));
    await until("all requests are read", () => read === 2_000_000);
  });

  it("stops the client when the handler asks for no request", async () => {
    const goOn = deferred();
    let read = 0;
    await using server = await TextServer.start({
      chat: async function* (requests) {
        await goOn.promise;
        for await (const request of requests) read += request.length;
        yield String(read);
      },
    });
    using client = await RawClient.connect(server.address);
    const call = client.open(chatPath);
    const message = framed("z".repeat(100_000));
    let sent = 0;
    const total = 200;
    const write = (): void => {
      if (sent === total) call.end();
      else {
        call.write(message, () => {
          sent++;
          write();
        });
      }
    };
    write();
    const seen: number[] = [];
    while (seen.length < 20 || seen.at(-1) !== seen.at(-20)) {
      seen.push(sent);
      assert.equal(await server.say("meanwhile"), "meanwhile");
    }
    assert.ok(sent > 0 && sent < total, `${sent} requests were taken`);
    // The stream's window, what waits for the reader, and what lies between.
    assert.ok(sent * 100_000 < 6 * 1024 * 1024, `${sent} requests were taken`);
    goOn.resolve();
    const [headers] = (await once(call, "response")) as [IncomingHttpHeaders];
    assert.equal(headers[":status"], 200);
    await until("the rest is read", () => read === total * 100_000);
  });

  it("sends a response in pieces whole, however the call answers", async () => {
    const rope = `rope:${Array.from({ length: 3000 }, (_, n) => n).join(",")}`;
    await using server = await TextServer.start({
      say: () => Promise.resolve(rope),
      list: async function* () {
        await Promise.resolve();
        yield rope;
        yield "rope:";
        yield rope;
      },
    });
    assert.equal(await server.say("x"), rope);
    const listed: unknown[] = [];
    const { client } = server;
    for await (const text of client.makeServerStreamRequest(listPath, toBytes, fromBytes, "x")) {
      listed.push(text);
    }
    assert.deepEqual(listed, [rope, "rope:", rope]);
    const call = chat(server);
    for (const text of [rope, "plain", rope]) call.write(text);
    call.end();
    assert.deepEqual(await outcome(call), { received: [rope, "plain", rope] });
    assert.notEqual(sayPath, chatPath);
  });
});

describe("a stream of requests", () => {
  it("is paused when so many wait, and resumed when they have been read", async () => {
    const events: string[] = [];
    let paused = false;
    let onData: ((request: { kind: "message"; message: number }) => void) | undefined;
    let onEnd: (() => void) | undefined;
    const call = {
      on: (event: string, listener: () => void) => {
        if (event === "data") onData = listener;
        else onEnd = listener;
        return call;
      },
      pause: () => {
        events.push("pause");
        paused = true;
        return call;
      },
      resume: () => {
        events.push("resume");
        paused = false;
        return call;
      },
      isPaused: () => paused,
    };
    const { signal } = new AbortController();
    const stream = new RequestStream(call as never, signal, (request) => request);
    for (let n = 0; n < RequestStream.maxWaiting; n++) onData?.({ kind: "message", message: n });
    assert.deepEqual(events, ["pause"]);
    const reader = stream[Symbol.asyncIterator]();
    for (let n = 0; n < RequestStream.maxWaiting; n++) {
      const { value } = await reader.next();
      assert.deepEqual(value, { kind: "message", message: n });
    }
    assert.deepEqual(events, ["pause"]);
    const last = reader.next();
    assert.deepEqual(events, ["pause", "resume"]);
    onEnd?.();
    assert.equal((await last).done, true);
  });
});
