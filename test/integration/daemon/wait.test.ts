import assert from "node:assert/strict";
import { OnExit, WaitCondition } from "../../../proto/gen/forkbus/v1/process.js";
import { eventually } from "../../support/eventually.js";
import { ended, statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { hasWritten } from "./support/output-events.js";
import { isAlive } from "./support/proc-fs.js";
import { sharedDaemon } from "./support/shared-daemon.js";

const READS_A_LINE = { openStdin: true };

describe("waiting for processes", () => {
  const daemon = sharedDaemon();

  /** A worker that ends when it is told to. */
  const waiting = async (name: string, code = 0): Promise<() => Promise<void>> => {
    await daemon().create(["sh", "-c", `read _; exit ${code}`], READS_A_LINE, { name });
    return async () => {
      await daemon().processes.closeStdin({ name });
    };
  };

  async function reached(
    request: Parameters<ReturnType<typeof daemon>["processes"]["waitProcesses"]>[0],
    onEach: (name: string) => Promise<void> = () => Promise.resolve(),
  ): Promise<readonly string[]> {
    const seen: string[] = [];
    for await (const { process, reached: isReached } of daemon().processes.waitProcesses(request)) {
      const name = process?.name ?? "";
      seen.push(isReached ? name : `not ${name}`);
      await onEach(name);
    }
    return seen;
  }

  it("answers within the wait that the call names, whether it has ended or not", async () => {
    const finish = await waiting("in-band");
    for (const waitMs of [0, 30]) {
      const answer = await daemon().processes.waitProcess({ name: "in-band", waitMs });
      assert.equal(answer.reached, false);
      assert.equal(answer.process?.name, "in-band");
    }
    await finish();
    assert.equal((await daemon().processes.waitProcess({ name: "in-band" })).reached, true);
    assert.equal(
      (await daemon().processes.waitProcess({ name: "in-band", waitMs: 0 })).reached,
      true,
    );
  });

  it("waits for as long as the longest wait says", async () => {
    const finish = await waiting("patient");
    const call = daemon().processes.waitProcess({ name: "patient", waitMs: 0xffff_ffff });
    const first = await Promise.race([
      call,
      daemon()
        .processes.waitProcess({ name: "patient", waitMs: 100 })
        .then(() => "the short one"),
    ]);
    assert.equal(first, "the short one");
    await finish();
    assert.equal((await call).reached, true);
  });

  it("wakes every caller that waits, and one that goes away costs the others nothing", async () => {
    const finish = await waiting("many-callers", 9);
    const gone = new AbortController();
    const left = daemon().processes.waitProcess({ name: "many-callers" }, { signal: gone.signal });
    const calls = Array.from({ length: 20 }, () => ended(daemon(), { name: "many-callers" }));
    gone.abort();
    await assert.rejects(left);
    await finish();
    for (const process of await Promise.all(calls)) {
      assert.deepEqual(statusOf(process).exit?.outcome, { $case: "exitCode", value: 9 });
    }
  });

  it("fails when the process is deleted meanwhile, or was never there", async () => {
    await waiting("doomed");
    const call = failure((options) =>
      daemon().processes.waitProcess(
        { name: "doomed", condition: WaitCondition.TREE_ENDED },
        options,
      ),
    );
    await daemon().processes.deleteProcess({ name: "doomed", force: true });
    // It ended before it was deleted, so the wait may have been told of the end.
    assert.ok(["OK", "NOT_FOUND/PROCESS_NOT_FOUND"].includes(await call));
    assert.equal(
      await failure((options) => daemon().processes.waitProcess({ name: "doomed" }, options)),
      "NOT_FOUND/PROCESS_NOT_FOUND",
    );
  });

  it("tells the end of the worker from the end of its tree", async () => {
    const script = "sleep 600 & echo $!";
    const { name } = await daemon().create(["sh", "-c", script], { onExit: OnExit.WAIT_TREE });
    const process = await ended(daemon(), { name });
    assert.equal(statusOf(process).descendantsAlive, true);
    assert.equal(statusOf(process).stdout?.closed, false);
    const condition = WaitCondition.TREE_ENDED;
    const early = await daemon().processes.waitProcess({ name, condition, waitMs: 20 });
    assert.equal(early.reached, false);
    const child = Number(await hasWritten(daemon(), name, "\n"));
    assert.ok(isAlive(child));
    global.process.kill(child, "SIGKILL");
    const late = await daemon().processes.waitProcess({ name, condition, waitMs: 20_000 });
    assert.equal(late.reached, true);
    assert.equal(statusOf(late.process).descendantsAlive, false);
    assert.equal(statusOf(late.process).stdout?.closed, true);
  });

  it("answers for each of many in the order in which they end", async () => {
    const names = ["order/1", "order/2", "order/3", "order/4"];
    const finish = new Map<string, () => Promise<void>>();
    for (const name of names) finish.set(name, await waiting(name));
    const order = ["order/3", "order/1", "order/4", "order/2"];
    const later = new Map(order.map((name, index) => [name, order[index + 1]]));
    const seen = reached({ names }, async (name) => {
      await finish.get(later.get(name) ?? "")?.();
    });
    await finish.get("order/3")?.();
    assert.deepEqual(await seen, order);
  });

  it("ends after as many as were asked for", async () => {
    await waiting("any/1");
    const finish = await waiting("any/2");
    const seen = reached({ names: ["any/1", "any/2"], minReached: 1 });
    await finish();
    assert.deepEqual(await seen, ["any/2"]);
    // Asked for again without those that were answered, it goes on.
    const rest = reached({ names: ["any/1"], waitMs: 30 });
    assert.deepEqual(await rest, []);
  });

  it("says of unknown and deleted names that they are not there", async () => {
    await waiting("mixed/alive");
    const finish = await waiting("mixed/ends");
    await ended(daemon(), await daemon().create(["true"], {}, { name: "mixed/ended" }));
    const names = ["mixed/alive", "mixed/unknown", "mixed/ends", "mixed/ended"];
    const seen: string[] = [];
    const stream = reached({ names, condition: WaitCondition.TREE_ENDED }, (name) => {
      seen.push(name);
      return Promise.resolve();
    });
    await eventually(
      () => seen,
      ({ length }) => length === 2,
    );
    await finish();
    await eventually(
      () => seen,
      ({ length }) => length === 3,
    );
    await daemon().processes.deleteProcess({ name: "mixed/alive", force: true });
    const all = await stream;
    assert.deepEqual(all.slice(0, 2).sort(), ["mixed/ended", "not mixed/unknown"]);
    assert.equal(all[2], "mixed/ends");
    assert.match(all[3] ?? "", /mixed\/alive$/);
    assert.equal(all.length, 4);
  });

  it("refuses lists that cannot be right", async () => {
    for (const request of [
      { names: [] },
      { names: ["a", "a"] },
      { names: ["a"], minReached: 2 },
      { names: ["NO"] },
      { names: Array.from({ length: 10_001 }, (_, n) => `n${n}`) },
    ]) {
      const call = failure(async (options) => {
        for await (const _answer of daemon().processes.waitProcesses(request, options));
      });
      assert.equal(await call, "INVALID_ARGUMENT/INVALID_FIELD");
    }
  });
});
