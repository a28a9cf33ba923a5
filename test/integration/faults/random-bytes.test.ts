import assert from "node:assert/strict";
import { connect } from "node:net";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import fc from "fast-check";
import {
  AdminServiceDefinition,
  GetServerStatusRequest,
} from "../../../proto/gen/forkbus/v1/admin.js";
import {
  CreateProcessRequest,
  ListProcessesRequest,
  ProcessServiceDefinition,
  StopProcessRequest,
  WaitProcessRequest,
} from "../../../proto/gen/forkbus/v1/process.js";
import {
  CreateQueueRequest,
  GetRequest,
  PutRequest,
  QueueServiceDefinition,
} from "../../../proto/gen/forkbus/v1/queue.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { checkStillWorks } from "./still-works.js";

const MESSAGES = 200;
const CALL_MS = 500;

/** Good requests, to be spoilt. */
const SEEDS: readonly Uint8Array[] = [
  CreateProcessRequest.encode(
    CreateProcessRequest.fromPartial({
      process: {
        name: "mutant",
        labels: { key: "value" },
        spec: {
          target: { $case: "exec", value: { argv: ["true", "argument"] } },
          env: { KEY: "value" },
          limits: { rlimits: [{ resource: "RLIMIT_CORE", soft: 0n, hard: 0n }] },
          cpus: { count: 1 },
        },
      },
      requestId: "request",
    }),
  ).finish(),
  ListProcessesRequest.encode(
    ListProcessesRequest.fromPartial({ pageSize: 3, pageToken: "WyIiLCJhIl0", labels: { a: "b" } }),
  ).finish(),
  WaitProcessRequest.encode({ name: "mutant", uid: "", condition: 1, waitMs: 1 }).finish(),
  StopProcessRequest.encode(
    StopProcessRequest.fromPartial({ name: "mutant", stop: { signal: "TERM", graceMs: 1 } }),
  ).finish(),
  CreateQueueRequest.encode(
    CreateQueueRequest.fromPartial({ queue: { name: "mutant", spec: { maxItems: 3n } } }),
  ).finish(),
  PutRequest.encode(
    PutRequest.fromPartial({
      queue: "mutant",
      waitMs: 1,
      frame: { items: [Buffer.from("item")], count: 1 },
    }),
  ).finish(),
  GetRequest.encode(GetRequest.fromPartial({ queue: "mutant", waitMs: 1 })).finish(),
  GetServerStatusRequest.encode({}).finish(),
];

/** Whatever a daemon may answer to nonsense: a fault of its own is not among it. */
const ALLOWED = new Set([
  status.OK,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.ABORTED,
  status.FAILED_PRECONDITION,
  status.RESOURCE_EXHAUSTED,
  status.PERMISSION_DENIED,
  status.OUT_OF_RANGE,
  // A mutant may ask for a long wait.
  status.DEADLINE_EXCEEDED,
]);

const spoilt = fc
  .record({
    seed: fc.constantFrom(...SEEDS),
    changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
    cut: fc.option(fc.nat()),
  })
  .map(({ seed, changes, cut }) => {
    const bytes = Buffer.from(seed);
    for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
    return cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
  });

const nonsense = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  spoilt,
);

const METHODS = [ProcessServiceDefinition, QueueServiceDefinition, AdminServiceDefinition].flatMap(
  ({ fullName, methods }) =>
    Object.values(methods)
      .filter(({ responseStream }) => !responseStream)
      .map(({ name }) => `/${fullName}/${name}`),
);

describe("a client that sends nonsense", () => {
  it("gets an answer to every message, and breaks nothing", async function () {
    this.timeout(90_000);
    await using daemon = await DaemonHarness.start();
    const first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
    const client = new Client(daemon.address, credentials.createInsecure());
    try {
      for (const path of METHODS) {
        const messages = fc.sample(nonsense, MESSAGES);
        const codes = await Promise.all(messages.map((message) => send(client, path, message)));
        codes.forEach((code, index) => {
          const message = messages[index]?.toString("hex") ?? "";
          assert.ok(ALLOWED.has(code), `${path} answered ${status[code]} to ${message}`);
        });
      }
    } finally {
      client.close();
    }
    assert.doesNotMatch(daemon.log, /"level":"error"/);
    await checkStillWorks(daemon, first);
  });

  it("may send what is no HTTP at all", async () => {
    await using daemon = await DaemonHarness.start();
    const first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    const openings: readonly Buffer[] = [
      Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
      Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
      Buffer.alloc(100_000),
      preface,
      Buffer.concat([preface, Buffer.alloc(50_000, 0xff)]),
      ...fc
        .sample(fc.uint8Array({ minLength: 1, maxLength: 500 }), 100)
        .map((bytes, index) =>
          index % 2 === 0 ? Buffer.from(bytes) : Buffer.concat([preface, bytes]),
        ),
    ];
    await Promise.all(openings.map((bytes) => shout(daemon.socketPath, bytes)));
    await eventually(
      async () => (await daemon.admin.getServerStatus({})).connections,
      (connections) => connections === 1,
      { what: "all other connections to be closed" },
    );
    await checkStillWorks(daemon, first);
  });
});

function send(client: Client, path: string, message: Buffer): Promise<status> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      message,
      { deadline: Date.now() + CALL_MS },
      (error: ServiceError | null) => {
        resolve(error === null ? status.OK : error.code);
      },
    );
  });
}

/** Sends bytes, hangs up, and waits for the end of the connection. */
function shout(path: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    // A reset is an answer too.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      resolve();
    });
    socket.resume();
    socket.end(bytes);
  });
}
