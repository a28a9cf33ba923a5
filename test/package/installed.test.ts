import assert from "node:assert/strict";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildInfo } from "../../server/observability/build-info.js";
import { DaemonHarness } from "../support/daemon-harness.js";
import { type Installed, installGlobally, pack, type Packed } from "./support/packed.js";
import { run } from "./support/run.js";

/** Of whom no file is. */
const SOMEBODY = 65_533;

describe("forkbus, installed on a host without a compiler", () => {
  let packed: Packed;
  let installed: Installed;

  before(async function () {
    packed = await pack();
    installed = await installGlobally(this);
    assert.deepEqual(readdirSync(packed.env["PATH"] ?? ""), ["node"]);
  });

  /** A daemon of the installed program, as this user or another one. */
  function serve(forkbus: string, runAs?: number): Promise<DaemonHarness> {
    const as = runAs === undefined ? {} : { runAs };
    return DaemonHarness.start({ program: [forkbus, "serve"], env: packed.env, ...as });
  }

  async function works(daemon: DaemonHarness, forkbus: string, uid?: number): Promise<void> {
    const env = { ...packed.env, FORKBUS_ADDRESS: daemon.address };
    const options = { env, cwd: "/", ...(uid === undefined ? {} : { uid }) };
    const worker = "console.log(process.getuid()); process.exit(7)";
    const ran = await run(forkbus, ["run", "--", process.execPath, "-e", worker], options);
    const user = uid ?? process.getuid?.() ?? -1;
    assert.deepEqual(ran, { code: 7, stdout: `${user}\n`, stderr: "" });
    const doctor = await run(forkbus, ["doctor", "-o", "json"], options);
    assert.equal(doctor.code, 0, doctor.stdout);
  }

  it("is one version in all its parts", async () => {
    const { version } = buildInfo();
    const { forkbus } = installed;
    const cli = await run(forkbus, ["--version"], { env: packed.env, cwd: "/" });
    assert.deepEqual(cli, { code: 0, stdout: `${version}\n`, stderr: "" });
    await using daemon = await serve(forkbus);
    const info = await daemon.admin.getServerInfo({});
    assert.deepEqual([info.version, info.keeperVersion], [version, version]);
  });

  it("serves, runs a worker and finds nothing broken", async () => {
    await using daemon = await serve(installed.forkbus);
    await works(daemon, installed.forkbus);
  });

  it("does so for a user who did not install it", async function () {
    // Only root can become somebody else.
    if (process.getuid?.() !== 0) this.skip();
    await using daemon = await serve(installed.forkbus, SOMEBODY);
    await works(daemon, installed.forkbus, SOMEBODY);
  });

  describe("whose prebuilt programs are not for this platform", () => {
    let forkbus: string;
    let root: string;

    before(() => {
      root = join(packed.place, "elsewhere");
      cpSync(installed.root, root, { recursive: true });
      rmSync(join(root, "dist/prebuilds"), { recursive: true });
      forkbus = join(root, "dist/cli/main.js");
    });

    it("says what to run", async () => {
      const args = ["serve", "--state-dir", join(packed.place, "state"), "--listen"];
      const listen = `unix:${join(packed.place, "socket")}`;
      const { code, stderr } = await run(forkbus, [...args, listen], packed);
      assert.equal(code, 75);
      assert.match(stderr, /There is no forkbus\.node for \w+-\w+ in .*: run forkbus build-native/);
    });

    it("says what building needs where that is missing", async () => {
      const { code, stderr } = await run(forkbus, ["build-native"], packed);
      assert.equal(code, 1);
      assert.match(stderr, /^forkbus: make cannot be run; building needs gcc or clang, make and/);
    });

    it("builds them from their sources, and works", async () => {
      const env = { ...packed.env, PATH: process.env["PATH"] ?? "" };
      const built = await run(forkbus, ["build-native"], { env, cwd: "/" });
      assert.equal(built.code, 0, built.stderr);
      // What forks Node is built only where the headers of this Node are.
      const made = readdirSync(join(root, "dist/native"));
      assert.deepEqual(made.filter((name) => !name.startsWith("forkbus-zygote-")).sort(), [
        "forkbus-fork.so",
        "forkbus-keeper",
        "forkbus.node",
      ]);
      await using daemon = await serve(forkbus);
      await works(daemon, forkbus);
    });
  });
});
