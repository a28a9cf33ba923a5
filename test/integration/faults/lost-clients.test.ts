import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { join } from "node:path";
import { ReadLogsRequest } from "../../../proto/gen/forkbus/v1/process.js";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { checkStillWorks } from "./still-works.js";

const MIB = 1024 * 1024;
const CLIENT = join(packageRoot, "dist/test/fixtures/faults/hanging-client.js");

/** A client that has received something, and then is killed. */
async function killMidStream(
  daemon: DaemonHarness,
  kind: "logs" | "queue",
  name: string,
): Promise<void> {
  const client: ChildProcess = spawn(
    process.execPath,
    [CLIENT, `unix://${daemon.socketPath}`, kind, name],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  assert.ok(client.stdout !== null);
  await once(client.stdout, "data");
  const exited = once(client, "exit");
  client.kill("SIGKILL");
  await exited;
}

function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function residentBytes(pid: number): number {
  const match = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? NaN) * 1024;
}

describe("a client that is lost", () => {
  it("leaves nothing behind when it dies while it follows output", async () => {
    await using daemon = await DaemonHarness.start();
    const first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
    const { name } = await daemon.create(["sh", "-c", "echo begun; exec sleep 600"]);
    await checkStillWorks(daemon, first);
    const before = openDescriptors(daemon.pid);
    for (let clients = 0; clients < 3; clients++) await killMidStream(daemon, "logs", name);
    await eventually(
      () => openDescriptors(daemon.pid),
      (descriptors) => descriptors <= before,
      { what: `the daemon to have ${before} descriptors again` },
    );
    await daemon.processes.deleteProcess({ name, force: true });
    await checkStillWorks(daemon, first);
  });

  it("gives back what it has not taken when it dies while it consumes", async () => {
    await using daemon = await DaemonHarness.start();
    const { queues } = daemon;
    await queues.createQueue({ queue: { name: "q" } });
    const items = Array.from({ length: 100 }, (_, index) => Buffer.from(String(index)));
    await queues.put({ queue: "q", frame: { items } });
    await killMidStream(daemon, "queue", "q");
    const status = await eventually(
      async () => (await queues.getQueue({ name: "q" })).queue?.status,
      (seen) => seen?.consumers === 0,
      { what: "the consumer to be gone" },
    );
    assert.equal(status?.ready, 100n);
    const { frame } = await queues.get({ queue: "q", maxItems: 100 });
    assert.deepEqual(frame?.items.map(String), items.map(String), "all of them, in order");
    await checkStillWorks(daemon, { pid: daemon.pid, keeperPid: daemon.keeperPid });
  });
});

describe("a reader that never reads", () => {
  it("costs the daemon a bounded amount of memory", async function () {
    this.timeout(60_000);
    // A small young generation, for garbage that is not collected yet would pass for memory that is held.
    const env = { NODE_OPTIONS: "--max-semi-space-size=1" };
    await using daemon = await DaemonHarness.start({ env });
    const first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
    const { name } = await daemon.create(["head", "-c", String(256 * MIB), "/dev/zero"], {
      logRetention: { maxBytes: BigInt(512 * MIB) },
    });
    await checkStillWorks(daemon, first);
    const before = residentBytes(daemon.pid);
    const readers = Array.from({ length: 4 }, () => openAndNeverRead(daemon.socketPath, name));
    try {
      await daemon.processes.waitProcess({ name });
      // Later answers show that the daemon has had its turns.
      for (let rounds = 0; rounds < 3; rounds++) await checkStillWorks(daemon, first);
      const stuck = residentBytes(daemon.pid);
      // Four readers could have 1 GiB. A connection has what Node's HTTP/2 session may hold (10 MB)
      // and what was allocated on the way and not collected yet.
      const grown = stuck - before;
      assert.ok(grown < 192 * MIB, `grown by ${Math.round(grown / MIB)} MiB`);
      for (let rounds = 0; rounds < 3; rounds++) await checkStillWorks(daemon, first);
      const later = residentBytes(daemon.pid) - stuck;
      assert.ok(later < 16 * MIB, `grows on by ${Math.round(later / MIB)} MiB`);
      const { process: ended } = await daemon.processes.getProcess({ name });
      assert.equal(
        ended?.status?.stdout?.end?.offset,
        BigInt(256 * MIB),
        "the worker waits for none",
      );
    } finally {
      for (const close of readers) close();
    }
    await checkStillWorks(daemon, first);
  });
});

/** Follows the output with a window that is as large as they come, over a socket that is not read. */
function openAndNeverRead(socketPath: string, name: string): () => void {
  const socket = connect(socketPath);
  const session = connectHttp2("http://localhost", {
    createConnection: () => socket,
    settings: { initialWindowSize: 0x7fff_ffff },
  });
  session.on("error", () => undefined);
  session.once("connect", () => {
    session.setLocalWindowSize(0x7fff_ffff);
    const stream = session.request({
      ":method": "POST",
      ":path": "/forkbus.v1.ProcessService/ReadLogs",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => undefined);
    const message = ReadLogsRequest.encode(
      ReadLogsRequest.fromPartial({ name, follow: true }),
    ).finish();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
    stream.once("response", () => {
      socket.pause();
    });
  });
  return () => {
    session.destroy();
    socket.destroy();
  };
}
