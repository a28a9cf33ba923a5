import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DaemonHarness, type SpecPatch } from "../../support/daemon-harness.js";
import { ended, exitOf } from "./support/ended.js";
import { failed, failure } from "./support/failure.js";
import { sharedDaemon } from "./support/shared-daemon.js";

const isRoot = process.getuid?.() === 0;

describe("the surroundings of a worker", () => {
  const daemon = sharedDaemon({ env: { LANG: "C.UTF-8", TZ: "UTC", SECRET_OF_THE_DAEMON: "x" } });

  async function prints(argv: readonly string[], spec: SpecPatch = {}): Promise<string> {
    const { name } = await daemon().create(argv, spec);
    return (await daemon().output(name)).stdout;
  }

  const refusal = (spec: SpecPatch): Promise<string> =>
    failure((options) => daemon().create(["true"], spec, {}, options));

  it("hold the given variables, those of the daemon that programs need, and nothing else of it", async () => {
    const process = await daemon().create(["env", "-0"], { env: { A: "1\n2", LANG: "mine" } });
    const text = (await daemon().output(process.name)).stdout;
    const env = Object.fromEntries(
      text
        .split("\0")
        .filter((line) => line !== "")
        .map((line) => line.split(/=(.*)/s)),
    ) as Record<string, string | undefined>;
    assert.equal(env["A"], "1\n2");
    assert.equal(env["LANG"], "mine");
    assert.equal(env["TZ"], "UTC");
    assert.equal(env["PATH"], global.process.env["PATH"]);
    assert.equal(env["SECRET_OF_THE_DAEMON"], undefined);
    assert.equal(env["FORKBUS_PROCESS"], process.name);
    assert.equal(env["FORKBUS_PROCESS_ID"], process.uid.replaceAll("-", ""));
    assert.equal(env["OMP_NUM_THREADS"], "1");
  });

  it("do not let a caller pass for another process", async () => {
    const env = { FORKBUS_PROCESS_ID: "0".repeat(32) };
    const process = await daemon().create(["sh", "-c", "echo $FORKBUS_PROCESS_ID"], { env });
    const { stdout } = await daemon().output(process.name);
    assert.equal(stdout, `${process.uid.replaceAll("-", "")}\n`);
  });

  it("begin in the working directory, which must be there", async () => {
    assert.equal(await prints(["pwd"]), "/\n");
    assert.equal(await prints(["pwd"], { workingDir: "/usr" }), "/usr\n");
    assert.equal(
      await refusal({ workingDir: "/nonexistent" }),
      "INVALID_ARGUMENT/WORKING_DIR_INVALID",
    );
    assert.equal(
      await refusal({ workingDir: "/etc/passwd" }),
      "INVALID_ARGUMENT/WORKING_DIR_INVALID",
    );
    assert.match(await refusal({ workingDir: "usr" }), /^INVALID_ARGUMENT\//);
  });

  it("have the umask that was asked for", async () => {
    const umask = (spec: SpecPatch): Promise<string> => prints(["sh", "-c", "umask"], spec);
    assert.equal(await umask({}), "0022\n");
    assert.equal(await umask({ umask: 0 }), "0000\n");
    assert.equal(await umask({ umask: 0o077 }), "0077\n");
    assert.equal(await refusal({ umask: 0o1000 }), "INVALID_ARGUMENT/INVALID_FIELD");
  });

  it("have the resource limits that were asked for, soft and hard", async () => {
    const limits = {
      rlimits: [
        { resource: "RLIMIT_NOFILE", soft: 64n, hard: 128n },
        { resource: "RLIMIT_CORE", soft: 0n, hard: 0n },
      ],
    };
    const script = "ulimit -Sn; ulimit -Hn; ulimit -Hc";
    assert.equal(await prints(["bash", "-c", script], { limits }), "64\n128\n0\n");
    for (const rlimit of [
      { resource: "RLIMIT_NOTHING", soft: 1n, hard: 1n },
      { resource: "RLIMIT_NOFILE", soft: 2n, hard: 1n },
      // More than the kernel gives to anyone.
      { resource: "RLIMIT_NOFILE", soft: 1n, hard: 1n << 40n },
    ]) {
      assert.equal(
        await refusal({ limits: { rlimits: [rlimit] } }),
        "INVALID_ARGUMENT/INVALID_FIELD",
      );
    }
    const [first] = limits.rlimits;
    assert.ok(first);
    assert.equal(
      await refusal({ limits: { rlimits: [first, first] } }),
      "INVALID_ARGUMENT/INVALID_FIELD",
    );
  });

  it("hold no descriptor but the three, and a session of its own", async () => {
    // Without a pipe or a directory of the shell's own, which would be among them for a moment.
    const each =
      "for ((fd = 0; fd < 255; fd++)); do [ -e /proc/$$/fd/$fd ] && printf '%s ' $fd; done";
    const [fds, session, pid] = (
      await prints(["bash", "-c", `${each}; echo; ps -o sid= -p $$; echo $$`])
    ).split("\n");
    assert.equal(fds?.trim(), "0 1 2");
    assert.equal(session?.trim(), pid?.trim());
  });

  it("belong to another user only where the keeper's own list says so", async function () {
    if (!isRoot) this.skip();
    const runAs = { user: "nobody" };
    const error = await failed((options) => daemon().create(["true"], { runAs }, {}, options));
    assert.equal(error?.reason, "RUN_AS_DENIED");
    assert.equal(error.code, "PERMISSION_DENIED");
    assert.equal(
      await refusal({ runAs: { user: "no-such-user" } }),
      "INVALID_ARGUMENT/INVALID_FIELD",
    );

    const directory = mkdtempSync(join(tmpdir(), "forkbus-policy-"));
    try {
      const policy = join(directory, "policy");
      writeFileSync(policy, "# who may be asked for\nuser nobody\n", { mode: 0o600 });
      await using listed = await DaemonHarness.start({ args: ["--keeper-policy", policy] });
      const { name } = await listed.create(["sh", "-c", "id -u; id -G"], { runAs });
      const id = (await listed.output(name)).stdout;
      assert.match(id, /^65534\n\d+\n$/);
      assert.equal(exitOf(await ended(listed, { name })).succeeded, true);
      const other = failure((options) =>
        listed.create(["true"], { runAs: { user: "daemon" } }, {}, options),
      );
      assert.equal(await other, "PERMISSION_DENIED/RUN_AS_DENIED");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
