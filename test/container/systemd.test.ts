import assert from "node:assert/strict";
import { eventually } from "../support/eventually.js";
import { setUp } from "./support/set-up.js";
import { SystemdHost } from "./support/systemd-host.js";

const UNITS = ["forkbus.service", "forkbus-keeper.service"];
/** Says when it is asked to end, and ends with a code that no signal makes. */
const STAYS = ["sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 600 & wait; done"];

describe("the units on a host with systemd", () => {
  let host: SystemdHost;

  before(async () => {
    await setUp();
    host = await SystemdHost.boot();
    await host.serving();
  });

  after(async () => {
    await host[Symbol.asyncDispose]();
  });

  /** Resolves when something else than the given process runs the unit, and clients are served. */
  async function successor(unit: string, pid: number): Promise<void> {
    await eventually(
      () => host.mainPid(unit),
      (now) => now !== 0 && now !== pid,
      { what: `another process of ${unit}` },
    );
    await host.serving();
  }

  async function assertAlive(name: string, pid: number): Promise<void> {
    assert.equal(await host.pidOf(name), pid);
    assert.match(await host.run("forkbus", "ps"), new RegExp(name));
    assert.equal(await host.run("ps", "-p", String(pid), "-o", "comm="), "sh");
  }

  it("are good in the eyes of systemd, and the daemon is well locked in", async () => {
    const verified = await host.run("systemd-analyze", "verify", ...UNITS);
    assert.equal(verified, "");
    const security = await host.run("systemd-analyze", "security", "forkbus.service");
    const exposure = Number(/exposure level.*: (\d+\.\d)/.exec(security)?.[1]);
    assert.ok(exposure <= 3, security);
  });

  it("start keeper and daemon at boot, the daemon as a user without privileges", async () => {
    for (const unit of UNITS)
      assert.equal(await host.run("systemctl", "is-active", unit), "active");
    const daemon = await host.mainPid("forkbus.service");
    assert.equal(await host.run("ps", "-p", String(daemon), "-o", "user="), "forkbus");
    const socket = await host.run("stat", "-c", "%a %U", "/run/forkbus/forkbus.sock");
    assert.equal(socket, "660 forkbus");
    assert.equal(await host.run("forkbus", "run", "--", "id", "-un"), "forkbus");
  });

  it("give each worker a cgroup of its own below the keeper's", async () => {
    const pid = await host.worker("leaf", "sleep", "600");
    const cgroup = await host.run("cat", `/proc/${pid}/cgroup`);
    assert.match(cgroup, /^0::.*\/forkbus-keeper\.service\/workers\/[0-9a-f]{32}$/m);
    await host.run("forkbus", "stop", "leaf");
  });

  it("let workers live on when the daemon is restarted, and know their ends", async () => {
    const pid = await host.worker("restarted", ...STAYS);
    const keeper = await host.mainPid("forkbus-keeper");
    const daemon = await host.mainPid("forkbus");
    await host.run("systemctl", "restart", "forkbus");
    await successor("forkbus", daemon);
    await assertAlive("restarted", pid);
    assert.equal(await host.mainPid("forkbus-keeper"), keeper);
    await host.run("kill", String(pid));
    assert.equal(await host.exitCode("restarted"), 9);
    assert.equal(await host.run("forkbus", "logs", "restarted"), "up");
  });

  it("know the end of a worker that ended while there was no daemon", async () => {
    const pid = await host.worker("meanwhile", ...STAYS);
    await host.run("systemctl", "stop", "forkbus");
    await host.run("kill", String(pid));
    await host.run("systemctl", "start", "forkbus");
    await host.serving();
    assert.equal(await host.exitCode("meanwhile"), 9);
  });

  it("bring the daemon back when it is killed", async () => {
    const pid = await host.worker("crashed", ...STAYS);
    const daemon = await host.mainPid("forkbus");
    await host.run("kill", "-KILL", String(daemon));
    await successor("forkbus", daemon);
    await assertAlive("crashed", pid);
    await host.run("forkbus", "stop", "crashed");
    assert.equal(await host.exitCode("crashed"), 9);
  });

  it("bring the keeper back when it is killed, and the new one adopts all workers", async () => {
    const names = ["adopted-1", "adopted-2", "adopted-3"];
    const pids = await Promise.all(names.map((name) => host.worker(name, ...STAYS)));
    const keeper = await host.mainPid("forkbus-keeper");
    const daemon = await host.mainPid("forkbus");
    await host.run("kill", "-KILL", String(keeper));
    await successor("forkbus-keeper", keeper);
    await eventually(
      () => host.try("forkbus", "run", "--", "true"),
      ({ exitCode }) => exitCode === 0,
      { what: "the new keeper to start workers" },
    );
    assert.equal(await host.mainPid("forkbus"), daemon, "the daemon is not restarted with it");
    for (const [index, name] of names.entries()) await assertAlive(name, pids[index] ?? 0);
    const [first = "", second = "", third = ""] = names;
    await host.run("forkbus", "stop", first);
    await host.run("kill", "-KILL", String(pids[1]));
    // Only a kernel since Linux 6.15 can tell a keeper how somebody else's child has ended.
    const knows = /pidfd_info.*ok|ok.*pidfd_info/.test(await host.run("forkbus", "doctor"));
    assert.equal(await host.exitCode(first), knows ? 9 : 125);
    assert.equal(await host.exitCode(second), knows ? 137 : 125);
    await host.run("forkbus", "stop", third);
  });

  it("end the workers with the keeper's unit, and the daemon keeps how they ended", async () => {
    await host.worker("stopped", ...STAYS);
    await host.run("systemctl", "stop", "forkbus-keeper");
    assert.equal(await host.exitCode("stopped"), 9);
    await host.run("systemctl", "start", "forkbus-keeper");
    await eventually(
      () => host.try("forkbus", "run", "--", "true"),
      ({ exitCode }) => exitCode === 0,
      { what: "the new keeper to start workers" },
    );
  });
});
