import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { worker } from "../../../client/typescript/index.js";
import { eventually } from "../../support/eventually.js";
import { FakeDaemon } from "../../support/fake-daemon.js";

const run = promisify(execFile);
const place = Symbol.for("forkbus.worker");
const leaf = import.meta.resolve("../../../client/typescript/wait-options.js");
const client = import.meta.resolve("../../../client/typescript/index.js");

/** Runs a program of its own, with this environment added, and returns what it writes as JSON. */
async function program(source: string, env: Readonly<Record<string, string>>): Promise<unknown> {
  const directory = await mkdtemp(join(tmpdir(), "forkbus-program-"));
  try {
    // In a file: with -e, Node has globals that open things when they are looked at.
    const file = join(directory, "program.mjs");
    await writeFile(file, source);
    const { stdout } = await run(process.execPath, [...process.execArgv, file], {
      env: { ...process.env, ...env },
      timeout: 20_000,
    });
    const written: unknown = JSON.parse(stdout);
    return written;
  } finally {
    await rm(directory, { recursive: true });
  }
}

describe("The worker that a program is", () => {
  const before = { ...process.env };

  afterEach(() => {
    Reflect.deleteProperty(globalThis, place);
    for (const name of ["FORKBUS_PROCESS", "FORKBUS_PROCESS_ID", "FORKBUS_ADDRESS"]) {
      const value = before[name];
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  });

  it("is none in a program that forkbus did not start, and says so", async () => {
    assert.equal(worker.isWorker, false);
    assert.throws(() => worker.id, /not a worker of forkbus: FORKBUS_PROCESS_ID is not set/);
    assert.throws(() => worker.name, /not a worker/);
    assert.equal(worker.arguments, undefined);
    await assert.rejects(worker.serveForks(), /Only a worker whose function forkbus calls/);
  });

  it("is known from the environment in a program that forkbus runs", async () => {
    process.env["FORKBUS_PROCESS"] = "one";
    process.env["FORKBUS_PROCESS_ID"] = "a".repeat(32);
    process.env["FORKBUS_ADDRESS"] = "unix:/run/some.sock";
    assert.equal(worker.isWorker, true);
    assert.equal(worker.name, "one");
    assert.equal(worker.id, "a".repeat(32));
    assert.equal(worker.address, "unix:/run/some.sock");
    assert.equal(worker.arguments, undefined);
    await assert.rejects(worker.serveForks(), /this is a program that it runs/);
  });

  it("is known from its runtime in a function, with the arguments as the function gets them", () => {
    const announce = (text: string, encoding: string): void => {
      const given = { bytes: Buffer.from(text), encoding };
      Object.defineProperty(globalThis, place, {
        value: { id: "b".repeat(32), name: "two", arguments: given, serveForks: () => undefined },
        configurable: true,
      });
    };
    announce('["a.png",{"width":2}]', "json");
    assert.equal(worker.isWorker, true);
    assert.equal(worker.id, "b".repeat(32));
    assert.equal(worker.name, "two");
    assert.deepEqual(worker.arguments, ["a.png", { width: 2 }]);
    announce('{"width":2}', "json");
    assert.deepEqual(worker.arguments, [{ width: 2 }]);
    announce("", "json");
    assert.deepEqual(worker.arguments, []);
    announce("abc", "raw");
    assert.deepEqual(worker.arguments, [Buffer.from("abc")]);
  });

  it("has one connection, opened when it is asked for, and again after one that failed", async () => {
    await using daemon = await FakeDaemon.start();
    process.env["FORKBUS_ADDRESS"] = "unix:/no/such/socket";
    await assert.rejects(worker.client(), /No forkbus daemon/);
    process.env["FORKBUS_ADDRESS"] = daemon.address;
    const [bus, same] = await Promise.all([worker.client(), worker.client()]);
    try {
      assert.equal(bus, same);
      assert.equal(bus.address, daemon.address);
    } finally {
      bus.close();
    }
  });

  it("closes its connection before it serves forks, and opens another one afterwards", async () => {
    await using daemon = await FakeDaemon.start();
    process.env["FORKBUS_ADDRESS"] = daemon.address;
    const bus = await worker.client();
    const joining = (await bus.process({ argv: ["sleep"], name: "one" }).start()).join();
    const seen = joining.catch((error: unknown) => error);
    let served = 0;
    Object.defineProperty(globalThis, place, {
      value: {
        id: "c".repeat(32),
        name: "three",
        arguments: { bytes: Buffer.alloc(0), encoding: "json" },
        serveForks: async () => {
          await assert.rejects(joining, { code: "CANCELLED" });
          served += 1;
        },
      },
      configurable: true,
    });
    await worker.serveForks();
    assert.equal(served, 1);
    assert.ok((await seen) instanceof Error);
    const another = await worker.client();
    try {
      assert.notEqual(another, bus);
    } finally {
      another.close();
    }
  });
});

describe("The package in a program of its own", function () {
  this.timeout(30_000);

  it("opens nothing when it is loaded, so that a template may preload it", async () => {
    const found = await program(
      `import { readdirSync, readlinkSync } from "node:fs";
       const target = (fd) => {
         try {
           return readlinkSync("/proc/self/fd/" + fd);
         } catch {
           return "";
         }
       };
       // Loading grpc-js makes Node wrap a pipe that is there from the start, and open /dev/null.
       const look = () => ({
         files: readdirSync("/proc/self/fd").map(target).filter((name) => name !== "" && name !== "/dev/null").sort(),
         active: process.getActiveResourcesInfo().filter((name) => !/Req|^PipeWrap$/.test(name)),
       });
       // What a loader of TypeScript opens for itself is there after the first module.
       await import(${JSON.stringify(leaf)});
       const before = look();
       const { worker } = await import(${JSON.stringify(client)});
       const after = look();
       console.log(JSON.stringify({ before, after, isWorker: worker.isWorker }));`,
      {},
    );
    assert.ok(typeof found === "object" && found !== null);
    assert.ok("before" in found && "after" in found && "isWorker" in found);
    assert.deepEqual(found.after, found.before);
    assert.equal(found.isWorker, false);
  });

  it("does not keep a worker alive with the connection that it opened", async () => {
    await using daemon = await FakeDaemon.start();
    const said = await program(
      `import { worker } from ${JSON.stringify(client)};
       const bus = await worker.client();
       const child = await bus.spawn({ argv: ["true"], name: worker.name + "/child" });
       console.log(JSON.stringify(child.name));`,
      {
        FORKBUS_ADDRESS: daemon.address,
        FORKBUS_PROCESS: "parent",
        FORKBUS_PROCESS_ID: "d".repeat(32),
      },
    );
    assert.equal(said, "parent/child");
    await eventually(
      () => daemon.calls.get("CreateProcess"),
      (calls) => calls === 1,
    );
  });
});
