import assert from "node:assert/strict";
import { type Process } from "../../client/typescript/index.js";
import { eventually } from "../support/eventually.js";
import { setUp } from "./support/set-up.js";
import { SystemdHost } from "./support/systemd-host.js";

const DAEMON = "forkbus.service";
const KEEPER = "forkbus-keeper.service";

describe("the units on a host with systemd", () => {
  let host: SystemdHost;

  before(async () => {
    await setUp();
    host = await SystemdHost.boot();
  });

  after(async () => {
    await host[Symbol.asyncDispose]();
  });

  async function assertSame(worker: Process, pid: number | undefined): Promise<void> {
    await worker.refresh();
    assert.deepEqual([worker.state, worker.pid], ["running", pid]);
    assert.equal(await host.run("ps", "-p", String(pid), "-o", "comm="), "sh");
  }

  async function exitCode(worker: Process): Promise<number | null | undefined> {
    assert.ok(await worker.join({ timeoutMs: 20_000 }), "it ends");
    return worker.exitCode;
  }

  it("are good in the eyes of systemd, and the daemon is well locked in", async () => {
    assert.equal(await host.run("systemd-analyze", "verify", DAEMON, KEEPER), "");
    const security = await host.run("systemd-analyze", "security", DAEMON);
    const exposure = Number(/exposure level.*: (\d+\.\d)/.exec(security)?.[1]);
    assert.ok(exposure <= 3, security);
  });

  it("start keeper and daemon at boot, the daemon as a user without privileges", async () => {
    assert.equal(await host.run("systemctl", "is-active", DAEMON, KEEPER), "active\nactive");
    const daemon = await host.mainPid(DAEMON);
    assert.equal(await host.run("ps", "-p", String(daemon), "-o", "user="), "forkbus");
    const socket = await host.run("stat", "-c", "%a %U", "/run/forkbus/forkbus.sock");
    assert.equal(socket, "660 forkbus");
    assert.equal(await host.run("forkbus", "run", "--", "id", "-un"), "forkbus");
  });

  it("give each worker a cgroup of its own below the keeper's", async () => {
    const worker = await host.worker();
    const cgroup = await host.run("cat", `/proc/${worker.pid}/cgroup`);
    assert.match(cgroup, /^0::.*\/forkbus-keeper\.service\/workers\/[0-9a-f]{32}$/m);
    await worker.stop();
  });

  it("let workers live on when the daemon is restarted, and know their ends", async () => {
    const worker = await host.worker();
    const { pid } = worker;
    const waiting = worker.exited;
    const [daemon, keeper] = [await host.mainPid(DAEMON), await host.mainPid(KEEPER)];
    await host.run("systemctl", "restart", DAEMON);
    await host.successor(DAEMON, daemon);
    await assertSame(worker, pid);
    assert.equal(await host.mainPid(KEEPER), keeper);
    await eventually(
      () => host.run("forkbus", "status").catch(String),
      (text) => text.includes("SERVING") || text.includes("serving"),
      { what: "the Unix socket to be back" },
    );
    await host.kill("TERM", pid);
    const exit = await waiting;
    assert.equal(exit.kind === "exited" && exit.code, 9);
    assert.equal(await worker.stdout.text(), "up\n");
  });

  it("know the end of a worker that ended while there was no daemon", async () => {
    const worker = await host.worker();
    await host.run("systemctl", "stop", DAEMON);
    await host.kill("TERM", worker.pid);
    await host.run("systemctl", "start", DAEMON);
    assert.equal(await exitCode(worker), 9);
  });

  it("bring the daemon back when it is killed", async () => {
    const worker = await host.worker();
    const { pid } = worker;
    const daemon = await host.mainPid(DAEMON);
    await host.kill("KILL", daemon);
    await host.successor(DAEMON, daemon);
    await assertSame(worker, pid);
    await worker.stop();
    assert.equal(worker.exitCode, 9);
  });

  it("bring the keeper back when it is killed, and the new one adopts all workers", async () => {
    const workers = await Promise.all([host.worker(), host.worker(), host.worker()]);
    const pids = workers.map(({ pid }) => pid);
    const [daemon, keeper] = [await host.mainPid(DAEMON), await host.mainPid(KEEPER)];
    await host.kill("KILL", keeper);
    await host.successor(KEEPER, keeper);
    await host.working();
    assert.equal(await host.mainPid(DAEMON), daemon, "the daemon is not restarted with it");
    for (const [index, worker] of workers.entries()) await assertSame(worker, pids[index]);
    const [asked, killed, stopped] = workers;
    await host.kill("TERM", asked.pid);
    await host.kill("KILL", killed.pid);
    await stopped.stop();
    // Only a kernel since Linux 6.15 can tell a keeper how somebody else's child has ended.
    const { checks } = await host.bus.admin.diagnose({});
    const knows = checks.some(({ name, outcome }) => name === "kernel.pidfd_info" && outcome === 1);
    const codes = await Promise.all(workers.map(exitCode));
    assert.deepEqual(codes, knows ? [9, -9, 9] : [null, null, null]);
  });

  it("end the workers with the keeper's unit, and the daemon keeps how they ended", async () => {
    const worker = await host.worker();
    await host.run("systemctl", "stop", KEEPER);
    assert.equal(await exitCode(worker), 9);
    await host.run("systemctl", "start", KEEPER);
    await host.working();
  });

  it("keep how the workers ended when the host shuts down", async () => {
    const worker = await host.worker();
    await host.container.stop({ t: 60 });
    await host.container.start();
    await host.working();
    assert.equal(await exitCode(worker), 9);
    assert.equal(await worker.stdout.text(), "up\n");
  });
});
