import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, release, tmpdir } from "node:os";
import { join } from "node:path";
import { diagnose, kernelVersion } from "../../../server/kernel/diagnosis.js";
import { usableCpus } from "../../../server/kernel/usable-cpus.js";
import { PasswdFile } from "../../../server/kernel/user-database.js";

describe("what the host has", () => {
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "forkbus-host-"));
  });

  after(async () => {
    await rm(directory, { recursive: true });
  });

  async function file(text: string): Promise<string> {
    const path = join(directory, "file");
    await writeFile(path, text);
    return path;
  }

  describe("as its kernel", () => {
    it("is new enough from 5.10", () => {
      for (const text of ["5.10", "5.10.0-8-amd64", "5.100.1", "6.0-rc1", "10.1.2", release()]) {
        assert.equal(kernelVersion(text).outcome, "ok", text);
      }
    });

    it("is too old before, or when it is no version, and there is a remedy", () => {
      for (const text of ["5.9.16", "4.19.0-25-amd64", "3.10.0", "4.99", "", "unknown"]) {
        const check = kernelVersion(text);
        assert.equal(check.outcome, "failed", text);
        assert.match(check.message, /is older than 5\.10/);
        assert.notEqual(check.remedy, "");
        assert.notEqual(check.consequence, "");
      }
    });
  });

  describe("without a keeper", () => {
    it("is looked at all the same, and the keeper is what failed", async () => {
      const checks = await diagnose({
        stateDir: directory,
        reserveBytes: 0,
        keeper: null,
        templates: [],
      });
      const byName = new Map(checks.map(({ name, outcome }) => [name, outcome]));
      assert.equal(byName.get("keeper"), "failed");
      assert.equal(byName.get("kernel.version"), "ok");
      assert.equal(byName.get("disk.space"), "ok");
    });

    it("has too little room below the reserve", async () => {
      const reserveBytes = Number.MAX_SAFE_INTEGER;
      const checks = await diagnose({
        stateDir: directory,
        reserveBytes,
        keeper: null,
        templates: [],
      });
      const disk = checks.find(({ name }) => name === "disk.space");
      assert.equal(disk?.outcome, "failed");
      assert.match(disk.message, /MiB are free in /);
    });
  });

  describe("as its users", () => {
    async function find(user: string, text: string): Promise<unknown> {
      return new PasswdFile(await file(text)).find(user);
    }

    const TEXT = "root:x:0:0:root:/root:/bin/sh\nworker:x:1001:1002::/:\nother:x:1003:1003::/:\n";

    it("are found by name and by number, and nobody else is", async () => {
      assert.deepEqual(await find("worker", TEXT), { uid: 1001, gid: 1002 });
      assert.deepEqual(await find("1003", TEXT), { uid: 1003, gid: 1003 });
      assert.deepEqual(await find("0", TEXT), { uid: 0, gid: 0 });
      for (const user of ["work", "1002", "x", "", "/root", "01001", "toString"]) {
        assert.equal(await find(user, TEXT), undefined, JSON.stringify(user));
      }
    });

    it("are none in lines that have no numbers", async () => {
      const lines = [
        "+::::::",
        "bad:x::",
        "bad:x:-1:1",
        "bad:x:0x0:0",
        "bad:x:1e3:1",
        "bad",
        "# bad",
      ];
      for (const user of ["+", "bad", "", "0", "-1"]) {
        assert.equal(await find(user, lines.join("\n")), undefined, user);
      }
      assert.deepEqual(await find("bad", `${lines.join("\n")}\nbad:x:5:6::/:`), { uid: 5, gid: 6 });
    });

    it("go by their name where it is another one's number", async () => {
      assert.deepEqual(await find("1001", `${TEXT}1001:x:7:8::/:\n`), { uid: 7, gid: 8 });
    });

    it("are asked for afresh each time", async () => {
      const database = new PasswdFile(await file(TEXT));
      assert.equal(await database.find("new"), undefined);
      await file("new:x:9:9::/:");
      assert.deepEqual(await database.find("new"), { uid: 9, gid: 9 });
    });
  });

  describe("as the CPUs that we may use", () => {
    it("is what the kernel says", async () => {
      // Node also goes by the quota of its cgroup.
      assert.ok(usableCpus().length >= availableParallelism());
      const status =
        "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t0,4-5\nMems_allowed_list:\t9\n";
      assert.deepEqual(usableCpus(await file(status)), [0, 4, 5]);
    });

    it("fails with a sentence when the kernel says nothing", async () => {
      for (const status of ["", "Cpus_allowed_list:\t\n", "Cpus_allowed_list:\tabc\n"]) {
        const path = await file(status);
        assert.throws(() => usableCpus(path), /does not tell which CPUs may be used$/);
      }
    });
  });
});
