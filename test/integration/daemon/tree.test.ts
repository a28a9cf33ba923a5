import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  OnExit,
  ProcessState,
  SignalScope,
  StopOutcome,
  WaitCondition,
} from "../../../proto/gen/forkbus/v1/process.js";
import { eventually } from "../../support/eventually.js";
import { ended, outcomeOf, statusOf } from "./support/ended.js";
import { hasWritten } from "./support/output-events.js";
import { isAlive } from "./support/proc-fs.js";
import { sharedDaemon } from "./support/shared-daemon.js";

/** A child, a daemon of the old kind in a session of its own, and the child of that one. */
const FAMILY = [
  "sleep 600 & echo child $!",
  "(setsid sh -c 'sleep 600 & echo grandchild $!; echo daemon $$; wait' &)",
].join("; ");

/** A directory of ours in the cgroup v2 hierarchy, where this user may make one. */
function ownCgroup(): string | undefined {
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(
    readFileSync("/proc/self/mountinfo", "utf8"),
  )?.[1];
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  if (mount === undefined || own === undefined) return undefined;
  const directory = join(mount, own, `forkbus-test-${process.pid}`);
  try {
    mkdirSync(directory);
    return directory;
  } catch {
    return undefined;
  }
}

const cgroup = ownCgroup();
const modes = [
  ["auto", "auto"],
  ["none", "none"],
  ...(cgroup === undefined ? [] : [["a directory of ours", cgroup] as const]),
] as const;

for (const [title, option] of modes) {
  describe(`the tree of a worker, cgroups: ${title}`, () => {
    const daemon = sharedDaemon({ args: ["--cgroup", option] });

    after(() => {
      if (option === cgroup) rmdirSync(cgroup);
    });

    async function family(name: string): Promise<readonly number[]> {
      const text = await eventually(
        () => hasWritten(daemon(), name, "daemon"),
        (written) =>
          /child \d+\n/.test(written) &&
          /daemon \d+\n/.test(written) &&
          /grandchild \d+\n/.test(written),
      );
      const pids = [...text.matchAll(/(\d+)\n/g)].map(([, pid]) => Number(pid));
      assert.equal(pids.length, 3);
      for (const pid of pids) assert.ok(isAlive(pid), `${pid} of ${text}`);
      return pids;
    }

    async function allGone(pids: readonly number[]): Promise<void> {
      await eventually(
        () => pids.filter(isAlive),
        (alive) => alive.length === 0,
        { what: "the whole tree to be gone" },
      );
    }

    const start = async (script: string, onExit: OnExit = OnExit.UNSPECIFIED): Promise<string> => {
      const argv = ["sh", "-c", `${FAMILY}; ${script}`];
      return (await daemon().create(argv, { openStdin: true, onExit })).name;
    };

    it("is killed when the worker exits by itself", async () => {
      const name = await start("read _; exit 5");
      const pids = await family(name);
      await daemon().processes.closeStdin({ name });
      const condition = WaitCondition.TREE_ENDED;
      const end = await daemon().processes.waitProcess({ name, condition, waitMs: 20_000 });
      assert.equal(end.reached, true);
      assert.equal(outcomeOf(end.process), "5");
      assert.equal(statusOf(end.process).descendantsAlive, false);
      assert.deepEqual(pids.filter(isAlive), []);
    });

    it("is killed when the worker is stopped, and when the worker is killed", async () => {
      for (const end of ["stop", "signal"] as const) {
        const name = await start("sleep 600");
        const pids = await family(name);
        if (end === "stop") await daemon().processes.stopProcess({ name });
        else await daemon().processes.signalProcess({ name, signal: "KILL" });
        await ended(daemon(), { name });
        await allGone(pids);
      }
    });

    it("lives on after the worker where that was asked for, until it is stopped", async () => {
      const name = await start("read _; exit 5", OnExit.WAIT_TREE);
      const pids = await family(name);
      await daemon().processes.closeStdin({ name });
      const process = await ended(daemon(), { name });
      assert.equal(outcomeOf(process), "5");
      assert.equal(statusOf(process).state, ProcessState.EXITED);
      assert.equal(statusOf(process).descendantsAlive, true);
      for (const pid of pids) assert.ok(isAlive(pid));
      const stopped = await daemon().processes.stopProcess({ name });
      assert.equal(stopped.outcome, StopOutcome.KILLED);
      assert.equal(outcomeOf(stopped.process), "5");
      assert.equal(statusOf(stopped.process).descendantsAlive, false);
      assert.deepEqual(pids.filter(isAlive), []);
    });

    it("lives on by itself until it is killed by a signal to the whole tree", async () => {
      const name = await start("read _; exit 5", OnExit.WAIT_TREE);
      const pids = await family(name);
      await daemon().processes.closeStdin({ name });
      await ended(daemon(), { name });
      await daemon().processes.signalProcess({ name, signal: "KILL", scope: SignalScope.TREE });
      await allGone(pids);
      const condition = WaitCondition.TREE_ENDED;
      const end = await daemon().processes.waitProcess({ name, condition, waitMs: 20_000 });
      assert.equal(end.reached, true);
      assert.equal(outcomeOf(end.process), "5");
    });

    it("ends with a worker that a stop ends, though it would outlive it otherwise", async () => {
      const name = await start("trap 'exit 7' TERM; read _", OnExit.WAIT_TREE);
      const pids = await family(name);
      const stopped = await daemon().processes.stopProcess({ name });
      assert.equal(stopped.outcome, StopOutcome.GRACEFUL);
      assert.equal(outcomeOf(stopped.process), "7");
      assert.deepEqual(pids.filter(isAlive), []);
    });

    it("is found again by a new daemon", async () => {
      const waiting = await start("read _; exit 5", OnExit.WAIT_TREE);
      const running = await start("sleep 600");
      const [first, second] = [await family(waiting), await family(running)];
      await daemon().processes.closeStdin({ name: waiting });
      await ended(daemon(), { name: waiting });
      await daemon().crash();
      const { process } = await daemon().processes.getProcess({ name: waiting });
      assert.equal(statusOf(process).descendantsAlive, true);
      for (const pid of [...first, ...second]) assert.ok(isAlive(pid));
      for (const name of [waiting, running]) {
        await daemon().processes.deleteProcess({ name, force: true });
      }
      await allGone([...first, ...second]);
    });

    it("gets a cgroup also after somebody has removed the empty directory for them", async () => {
      const first = await daemon().create(["true"]);
      const leaf = statusOf(first).cgroup;
      await daemon().processes.deleteProcess({ name: first.name, force: true });
      if (leaf === "") return;
      for (const { name } of (await daemon().processes.listProcesses({})).processes) {
        await daemon().processes.deleteProcess({ name, force: true });
      }
      const parent = dirname(leaf);
      await eventually(
        () => readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory()),
        (leaves) => leaves.length === 0,
      );
      rmdirSync(parent);
      const second = await daemon().create(["true"]);
      assert.equal(dirname(statusOf(second).cgroup), parent);
    });

    it("has a cgroup where there can be one, and leaves none behind", async () => {
      const { process } = await daemon().processes.getProcess({
        name: (await daemon().create(["sleep", "600"])).name,
      });
      const leaf = statusOf(process).cgroup;
      if (option === "none") assert.equal(leaf, "");
      if (option === cgroup) assert.ok(leaf.startsWith(cgroup));
      if (leaf === "") return;
      const own = readFileSync(`/proc/${statusOf(process).pid}/cgroup`, "utf8");
      assert.ok(
        own
          .trim()
          .split("\n")
          .some((line) => leaf.endsWith(line.replace(/^0::/, ""))),
      );
      await daemon().processes.stopProcess({ name: process?.name ?? "" });
      await eventually(
        () => readdirSync(join(leaf, "..")).filter((name) => /^[0-9a-f]{32}$/.test(name)),
        (leaves) => leaves.length === 0,
      );
    });
  });
}
