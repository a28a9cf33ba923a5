import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { statusOf } from "./support/ended.js";
import { failed, failure } from "./support/failure.js";
import { isAlive } from "./support/proc-fs.js";
import { sharedDaemon } from "./support/shared-daemon.js";

describe("CreateProcess", () => {
  const daemon = sharedDaemon();

  it("returns when the program runs, and tells which process that is", async () => {
    const process = await daemon().create(["sleep", "600"]);
    const status = statusOf(process);
    assert.equal(status.state, ProcessState.RUNNING);
    assert.ok(isAlive(status.pid));
    assert.equal(readFileSync(`/proc/${status.pid}/comm`, "utf8"), "sleep\n");
    const stat = readFileSync(`/proc/${status.pid}/stat`, "utf8").split(" ");
    assert.equal(status.startTicks, BigInt(stat[21] ?? ""));
    assert.equal(status.bootId, readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
    assert.match(process.name, /^p-\d{6}$/);
    assert.match(process.uid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(status.exit, undefined);
    const got = await daemon().processes.getProcess({ name: process.name, uid: process.uid });
    assert.deepEqual(got.process, process);
  });

  it("shows the values in effect where the request has none", async () => {
    const { spec } = await daemon().create(["true"]);
    assert.deepEqual(spec?.target?.value, { path: "true", argv: ["true"] });
    assert.equal(spec.workingDir, "/");
    assert.equal(spec.umask, 0o022);
    assert.deepEqual(spec.stop, { signal: "SIGTERM", graceMs: 10_000 });
    assert.deepEqual(spec.logRetention, { maxBytes: 64n * 1024n * 1024n });
    assert.equal(spec.cpus?.count, 1);
  });

  it("refuses names that are none, and names that are taken", async () => {
    const { name } = await daemon().create(["sleep", "600"], {}, { name: "a.b/c_d-1" });
    assert.equal(name, "a.b/c_d-1");
    const create = (taken: string): Promise<string> =>
      failure((options) => daemon().create(["true"], {}, { name: taken }, options));
    assert.equal(await create(name), "ALREADY_EXISTS/PROCESS_EXISTS");
    for (const bad of ["A", "-a", ".a", "a b", "a\n", "ä", "a".repeat(129)]) {
      assert.equal(await create(bad), "INVALID_ARGUMENT/INVALID_FIELD", JSON.stringify(bad));
    }
    assert.equal(await create("b".repeat(128)), "OK");
  });

  it("refuses labels that break the rules, and keeps those at the limits", async () => {
    const create = (labels: Record<string, string>): Promise<string> =>
      failure((options) => daemon().create(["true"], {}, { labels }, options));
    const many = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, ""]));
    for (const bad of [
      { "": "x" },
      { A: "x" },
      { "a b": "x" },
      { ["k".repeat(64)]: "x" },
      { k: "x".repeat(257) },
      { k: "é".repeat(129) },
      many(65),
    ]) {
      assert.equal(await create(bad), "INVALID_ARGUMENT/INVALID_FIELD", JSON.stringify(bad));
    }
    const labels = { ...many(62), ["k".repeat(63)]: "x".repeat(256), "a.b/c_d-1": "é".repeat(128) };
    const process = await daemon().create(["true"], {}, { labels });
    assert.deepEqual(process.labels, labels);
  });

  it("leaves nothing behind when the program cannot be started", async () => {
    const error = await failed((options) =>
      daemon().create(["/nonexistent/program"], {}, { name: "never-born" }, options),
    );
    assert.equal(error?.reason, "EXECUTABLE_NOT_FOUND");
    assert.match(error.message, /\/nonexistent\/program/);
    assert.equal(
      await failure((options) => daemon().processes.getProcess({ name: "never-born" }, options)),
      "NOT_FOUND/PROCESS_NOT_FOUND",
    );
    const again = await daemon().create(["true"], {}, { name: "never-born" });
    assert.equal(again.name, "never-born");
  });
});
