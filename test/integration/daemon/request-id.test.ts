import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Process, ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { ended, statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { inFlight } from "./support/in-flight.js";
import { sharedDaemon } from "./support/shared-daemon.js";

/** Each worker leaves a line here when it is born: what was started twice is seen. */
const BIRTH = 'echo "$FORKBUS_PROCESS_ID" >> "$BIRTHS"';

describe("a repeated create", () => {
  const daemon = sharedDaemon();

  it("answers with the process that the first one made, as it is now", async () => {
    const requestId = randomUUID();
    const create = (): Promise<Process> => daemon().create(["true"], {}, { requestId });
    const first = await create();
    assert.equal((await create()).uid, first.uid);
    const end = await ended(daemon(), first);
    assert.deepEqual(await create(), end);
    const other = await daemon().create(["true"], {}, { requestId: randomUUID() });
    assert.notEqual(other.uid, first.uid);
    const unnamed = await daemon().create(["true"]);
    assert.notEqual(unnamed.uid, (await daemon().create(["true"])).uid);
  });

  it("tells how much the process has written, and the first one that it has written nothing yet", async () => {
    const requestId = randomUUID();
    const script = "printf 1234; exec sleep 600";
    const create = (): Promise<Process> => daemon().create(["sh", "-c", script], {}, { requestId });
    assert.equal(statusOf(await create()).stdout?.end?.offset, 0n);
    await eventually(
      async () => statusOf(await create()).stdout?.end?.offset,
      (offset) => offset === 4n,
    );
  });

  it("is refused when anything in it is different", async () => {
    const requestId = "the.same:one_1";
    const env = { A: "1", B: "2" };
    const labels = { x: "1", y: "2" };
    const first = await daemon().create(["sleep", "600"], { env }, { requestId, labels });
    const again = await daemon().create(
      ["sleep", "600"],
      { env: { B: "2", A: "1" }, workingDir: "/", umask: 0o022 },
      { requestId, labels: { y: "2", x: "1" } },
    );
    assert.equal(
      again.uid,
      first.uid,
      "the order of entries and spelled-out defaults are no difference",
    );
    const refusals = [
      () => daemon().create(["sleep", "601"], { env }, { requestId, labels }),
      () => daemon().create(["sleep", "600"], { env: { A: "1" } }, { requestId, labels }),
      () => daemon().create(["sleep", "600"], { env }, { requestId }),
      () => daemon().create(["sleep", "600"], { env }, { requestId, labels, name: "named" }),
    ];
    for (const call of refusals) await assert.rejects(call, /INVALID_ARGUMENT.*request_id/);
    const bad = ["a b", "ä", "a".repeat(65)].map((id) =>
      failure((options) => daemon().create(["true"], {}, { requestId: id }, options)),
    );
    for (const answer of await Promise.all(bad)) {
      assert.equal(answer, "INVALID_ARGUMENT/INVALID_FIELD");
    }
  });

  it("is forgotten with its process", async () => {
    const requestId = randomUUID();
    const first = await daemon().create(["true"], {}, { requestId });
    await daemon().processes.deleteProcess({ name: first.name, force: true });
    const second = await daemon().create(["false"], {}, { requestId });
    assert.notEqual(second.uid, first.uid);
  });

  it("fails like the first one when nothing could be started, and may succeed later", async () => {
    const requestId = randomUUID();
    const path = join(daemon().directory, "appears-later");
    const create = (): Promise<string> =>
      failure((options) => daemon().create([path], {}, { requestId }, options));
    const answers = await Promise.all([create(), create(), create()]);
    assert.deepEqual(new Set(answers), new Set(["INVALID_ARGUMENT/EXECUTABLE_NOT_FOUND"]));
  });

  it("makes 200 workers of 200 creates that are each sent three times at once", async () => {
    await using fresh = await DaemonHarness.start();
    const births = join(fresh.directory, "births");
    const env = { BIRTHS: births };
    const ids = Array.from({ length: 200 }, () => randomUUID());
    const sent = ids.flatMap((requestId) => [requestId, requestId, requestId]);
    const made = new Map<string, Set<string>>();
    await inFlight(48, sent, async (requestId) => {
      const { uid } = await fresh.create(["sh", "-c", BIRTH], { env }, { requestId });
      made.set(requestId, (made.get(requestId) ?? new Set()).add(uid));
    });
    for (const uids of made.values()) assert.equal(uids.size, 1);
    const { processes } = await fresh.processes.listProcesses({ pageSize: 1000 });
    assert.equal(processes.length, 200);
    await inFlight(48, processes, (process) => ended(fresh, process));
    const lines = readFileSync(births, "utf8").trim().split("\n").sort();
    assert.deepEqual(lines, processes.map(({ uid }) => uid.replaceAll("-", "")).sort());
  });

  it("finds its process again after the daemon was killed", async () => {
    await using crashing = await DaemonHarness.start();
    const create = (argv: readonly string[], requestId: string): Promise<Process> =>
      crashing.create(argv, { env: { A: "é\n" }, umask: 0 }, { requestId, labels: { a: "b" } });
    const running = await create(["sleep", "600"], "running");
    const over = await create(["true"], "over");
    await ended(crashing, over);
    await crashing.crash();
    const again = await create(["sleep", "600"], "running");
    assert.equal(again.uid, running.uid);
    assert.equal(statusOf(again).state, ProcessState.RUNNING);
    assert.equal(statusOf(again).pid, statusOf(running).pid);
    assert.equal((await create(["true"], "over")).uid, over.uid);
    await assert.rejects(() => create(["false"], "over"), /INVALID_ARGUMENT/);
    const { processes } = await crashing.processes.listProcesses({});
    assert.equal(processes.length, 2);
  });
});
