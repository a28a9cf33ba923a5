import { status, type ServiceError } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { once } from "node:events";
import { constants, type IncomingHttpHeaders } from "node:http2";
import { DomainError } from "../../../server/core/errors.js";
import { deferred } from "../../../server/core/deferred.js";
import { addService, type CallContext } from "../../../server/grpc/adapter.js";
import { CallCancelled } from "../../../server/grpc/call-lifetime.js";
import { errorInfoOf } from "./decode-status.js";
import { framed, RawClient } from "./raw-client.js";
import {
  fromBytes,
  listPath,
  MemoryLog,
  sayPath,
  textDefinition,
  TextServer,
  toBytes,
  until,
} from "./text-service.js";

/** Rejects with the call's CallCancelled when the call is cancelled, and never resolves. */
function untilCancelled({ signal }: CallContext): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason instanceof Error ? signal.reason : new Error("no reason"));
    });
  });
}

/** Calls Say and cancels when the handler has begun, which it tells by `begun`. */
async function callAndCancel(server: TextServer, begun: Promise<void>): Promise<void> {
  const call = server.client.makeUnaryRequest(sayPath, toBytes, fromBytes, "x", () => undefined);
  await begun;
  call.cancel();
}

function failureOf(promise: Promise<unknown>): Promise<ServiceError> {
  return promise.then(
    () => assert.fail("the call succeeded"),
    (error: unknown) => error as ServiceError,
  );
}

describe("a unary call", () => {
  it("answers with what the handler returns, and tells it who calls what", async () => {
    const seen: CallContext[] = [];
    await using server = await TextServer.start({
      say: (request, context) => {
        seen.push(context);
        return Promise.resolve(request.toUpperCase());
      },
    });
    assert.equal(await server.say("hello"), "HELLO");
    assert.deepEqual(seen[0]?.principal, { kind: "anonymous", via: "loopback" });
    assert.equal(seen[0].method, "test.v1.TextService/Say");
  });

  it("fails with the status of a domain error", async () => {
    await using server = await TextServer.start({
      say: () => {
        throw new DomainError("queue-full", "Queue jobs is full", { facts: { max_items: "3" } });
      },
    });
    const error = await failureOf(server.say("x"));
    assert.equal(error.code, status.RESOURCE_EXHAUSTED);
    assert.equal(error.details, "Queue jobs is full");
    assert.deepEqual(errorInfoOf(error.metadata).metadata, { max_items: "3" });
    assert.deepEqual(server.log.errors(), []);
  });

  const oddThings: readonly unknown[] = [
    undefined,
    null,
    "a text",
    42n,
    Symbol("s"),
    Object.create(null),
    { code: 0, details: "pretends to be a status" },
    new Proxy({}, { get: () => assert.fail("looked into") }),
    new TypeError("x is not a function"),
    new AggregateError([]),
  ];
  for (const [index, thing] of oddThings.entries()) {
    it(`survives a handler that throws odd thing ${index}, and logs it once under its reference`, async () => {
      await using server = await TextServer.start({
        say: (request) => {
          if (request === "throw") throw thing;
          return Promise.resolve(request);
        },
      });
      const error = await failureOf(server.say("throw"));
      assert.equal(error.code, status.INTERNAL);
      const { reference } = errorInfoOf(error.metadata).metadata;
      const logged = server.log.errors();
      assert.equal(logged.length, 1);
      assert.deepEqual(logged[0]?.["reference"], reference);
      assert.ok(Object.is(logged[0]?.["error"], thing));
      assert.equal(await server.say("go on"), "go on");
    });
  }

  it("refuses a request that does not decode, without asking the handler", async () => {
    await using server = await TextServer.start({ say: () => assert.fail("was asked") });
    const error = await failureOf(server.say("malformed"));
    assert.equal(error.code, status.INVALID_ARGUMENT);
    assert.match(error.details, /test\.v1\.SayRequest: premature end/);
  });

  it("refuses a request above the limit with a reason, and one far above it unread", async () => {
    await using server = await TextServer.start(
      { say: () => assert.fail("was asked") },
      { limits: { requestMessageBytes: 1000 } },
    );
    const above = await failureOf(server.say("x".repeat(1001)));
    assert.equal(above.code, status.RESOURCE_EXHAUSTED);
    assert.equal(errorInfoOf(above.metadata).reason, "REQUEST_TOO_LARGE");
    assert.deepEqual(errorInfoOf(above.metadata).metadata, { bytes: "1001", max_bytes: "1000" });
    const farAbove = await failureOf(server.say("x".repeat(1_000_000)));
    assert.equal(farAbove.code, status.RESOURCE_EXHAUSTED);
  });

  it("treats a response that does not encode as a fault of the handler", async () => {
    const undone = deferred();
    await using server = await TextServer.start({
      say: (_request, context) => {
        context.undeliverable(undone.resolve);
        return Promise.resolve("unencodable");
      },
    });
    const error = await failureOf(server.say("x"));
    assert.equal(error.code, status.INTERNAL);
    assert.equal(server.log.errors().length, 1);
    await undone.promise;
  });

  it("aborts the signal when the client cancels, and says nothing of it", async () => {
    const started = deferred();
    const reason = deferred<unknown>();
    await using server = await TextServer.start({
      say: (_request, context) => {
        started.resolve();
        return untilCancelled(context).catch((error: unknown) => {
          reason.resolve(error);
          throw error;
        });
      },
    });
    const call = server.client.makeUnaryRequest(sayPath, toBytes, fromBytes, "x", () => undefined);
    await started.promise;
    call.cancel();
    const error = await reason.promise;
    assert.ok(error instanceof CallCancelled);
    assert.equal(error.why, "cancelled");
    assert.deepEqual(server.log.errors(), []);
  });

  it("aborts the signal at the deadline, and when the client vanishes", async () => {
    const reasons: unknown[] = [];
    let started = 0;
    await using server = await TextServer.start({
      say: (_request, context) => {
        started += 1;
        return untilCancelled(context).catch((error: unknown) => {
          reasons.push(error instanceof CallCancelled ? error.why : error);
          throw error;
        });
      },
    });
    // A client that leaves the deadline to the server: others cancel at the same moment.
    using client = await RawClient.connect(server.address);
    const call = client.call(sayPath, "x", { "grpc-timeout": "300m" });
    const [headers] = (await once(call, "response")) as [IncomingHttpHeaders];
    assert.equal(headers["grpc-status"], String(status.DEADLINE_EXCEEDED));
    await until("the deadline was noticed", () => reasons.length === 1);
    const pending = failureOf(server.say("x"));
    await until("the call is there", () => started === 2);
    await server.server.stop({ graceMs: 0 });
    await pending;
    await until("the end was noticed", () => reasons.length === 2);
    assert.deepEqual(reasons, ["deadline", "cancelled"]);
  });

  it("still logs a fault that a handler has after its cancellation", async () => {
    const begun = deferred();
    await using server = await TextServer.start({
      say: async (_request, context) => {
        begun.resolve();
        await untilCancelled(context).catch(() => undefined);
        throw new TypeError("x is not a function");
      },
    });
    await callAndCancel(server, begun.promise);
    await until("the fault is logged", () => server.log.errors().length === 1);
  });
});

describe("a call that grpc-js has ended before its request was complete", () => {
  for (const path of [sayPath, listPath]) {
    it(`reaches no handler: ${path}`, async () => {
      let asked = 0;
      await using server = await TextServer.start(
        {
          say: () => {
            asked += 1;
            return Promise.resolve("x");
          },
          list: async function* () {
            asked += 1;
            await Promise.resolve();
            yield "x";
          },
        },
        { limits: { requestMessageBytes: 1000 } },
      );
      using client = await RawClient.connect(server.address);
      const tooLarge = client.open(path);
      tooLarge.write(framed("x"));
      tooLarge.end(framed("x".repeat(5000)));
      const [headers] = (await once(tooLarge, "response")) as [IncomingHttpHeaders];
      assert.equal(headers["grpc-status"], String(status.RESOURCE_EXHAUSTED));
      const expired = client.open(path, { "grpc-timeout": "200m" });
      expired.write(framed("x"));
      await once(expired, "response");
      expired.end();
      assert.equal(await server.say("x"), "x");
      assert.equal(await server.say("x"), "x");
      assert.equal(asked, 2);
    });
  }
});

describe("the effect of a unary call", () => {
  it("is taken back, newest first, when the client gave up before the answer", async () => {
    const undone: string[] = [];
    const answer = deferred<string>();
    const begun = deferred();
    const cancelled = deferred();
    await using server = await TextServer.start({
      say: (_request, context) => {
        begun.resolve();
        context.signal.addEventListener("abort", () => {
          cancelled.resolve();
        });
        context.undeliverable(() => undone.push("first"));
        context.undeliverable(() => undone.push("second"));
        return answer.promise;
      },
    });
    await callAndCancel(server, begun.promise);
    await cancelled.promise;
    assert.deepEqual(undone, [], "nothing is taken back while the handler runs");
    answer.resolve("too late");
    await until("it was taken back", () => undone.length === 2);
    assert.deepEqual(undone, ["second", "first"]);
  });

  it("is taken back when the handler fails", async () => {
    let undone = 0;
    await using server = await TextServer.start({
      say: (_request, context) => {
        context.undeliverable(() => (undone += 1));
        throw new DomainError("draining", "The daemon takes no new work");
      },
    });
    assert.equal((await failureOf(server.say("x"))).code, status.UNAVAILABLE);
    assert.equal(undone, 1);
  });

  it("stays when the response was written, also if the connection breaks later", async () => {
    let undone = 0;
    let done = 0;
    await using server = await TextServer.start({
      say: (request, context) => {
        context.undeliverable(() => (undone += 1));
        context.onDelivered(() => (done += 1));
        return Promise.resolve(request);
      },
    });
    for (let round = 0; round < 50; round++) assert.equal(await server.say("x"), "x");
    await server.server.stop({ graceMs: 0 });
    assert.equal(undone, 0);
    assert.equal(done, 50);
  });

  it("is taken back when the client gives up while its window has no room for the response", async () => {
    let undone = 0;
    const answered = deferred();
    await using server = await TextServer.start({
      say: (request, context) => {
        context.undeliverable(() => (undone += 1));
        context.onDelivered(() => assert.fail("was not delivered"));
        answered.resolve();
        return Promise.resolve(request);
      },
    });
    using client = await RawClient.connect(server.address, { initialWindowSize: 0 });
    const call = client.call(sayPath, "x");
    await answered.promise;
    await once(call, "response");
    assert.equal(undone, 0);
    call.close(constants.NGHTTP2_CANCEL);
    await until("it was taken back", () => undone === 1);
  });

  it("is taken back when the deadline passes while its window has no room for the response", async () => {
    let undone = 0;
    await using server = await TextServer.start({
      say: (request, context) => {
        context.undeliverable(() => (undone += 1));
        return Promise.resolve(request);
      },
    });
    using client = await RawClient.connect(server.address, { initialWindowSize: 0 });
    const begun = performance.now();
    const call = client.call(sayPath, "x", { "grpc-timeout": "500m" });
    await once(call, "response");
    call.resume();
    await until("the deadline has passed", () => performance.now() > begun + 550);
    client.openWindow();
    await until("it was taken back", () => undone === 1);
  });

  it("is taken back entirely though one step of it throws, and that is logged", async () => {
    let undone = 0;
    const begun = deferred();
    await using server = await TextServer.start({
      say: async (_request, context) => {
        begun.resolve();
        context.undeliverable(() => (undone += 1));
        context.undeliverable(() => assert.fail("cannot"));
        await untilCancelled(context).catch(() => undefined);
        return "x";
      },
    });
    await callAndCancel(server, begun.promise);
    await until("it was logged", () => server.log.errors().length === 1);
    assert.equal(undone, 1);
  });
});

describe("a service", () => {
  it("is refused when a method has no handler", () => {
    const host = {
      principalOf: () => undefined,
      log: new MemoryLog(),
      limits: { requestMessageBytes: 1 },
      endedCalls: { has: () => false },
    };
    const server = { addService: () => assert.fail("was added") };
    const incomplete: unknown = { say: () => Promise.resolve("") };
    assert.throws(() => {
      addService(server, textDefinition, incomplete as never, host);
    }, /No handler for test\.v1\.TextService\/List/);
  });
});
