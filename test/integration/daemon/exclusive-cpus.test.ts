import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { ServerState } from "../../../proto/gen/forkbus/v1/admin.js";
import { CpuLayout, CpuPolicy, type Process } from "../../../proto/gen/forkbus/v1/process.js";
import { formatCpuSet, parseCpuSet } from "../../../server/cpus/cpu-set.js";
import { DaemonHarness, type SpecPatch } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { statusField } from "./support/proc-fs.js";

const { EXCLUSIVE, EXPLICIT, NONE } = CpuPolicy;
const ours = parseCpuSet(statusField(process.pid, "Cpus_allowed_list")) ?? [];
/** The tests speak of two CPUs, however many there are. */
const [first = -1, second = -1] = ours;

function kernelCpus({ status }: Process): string {
  return statusField(status?.pid ?? 0, "Cpus_allowed_list");
}

describe("exclusive CPUs", function () {
  let daemon: DaemonHarness;

  before(async function () {
    if (ours.length < 2) {
      assert.equal(process.env["CI"] ?? "", "", "one CPU cannot be shared and exclusive");
      process.stdout.write("    skipped: exclusive CPUs need a host with two\n");
      this.skip();
    }
    daemon = await DaemonHarness.start({ args: ["--cpus", `${first},${second}`] });
  });

  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  afterEach(async () => {
    const { processes } = await daemon.processes.listProcesses({});
    for (const { name } of processes) await daemon.processes.deleteProcess({ name, force: true });
  });

  function create(cpus?: SpecPatch["cpus"], name?: string): Promise<Process> {
    return daemon.create(
      ["sleep", "600"],
      cpus === undefined ? {} : { cpus },
      name === undefined ? {} : { name },
    );
  }

  async function fresh({ name }: Process): Promise<Process> {
    const { process } = await daemon.processes.getProcess({ name });
    assert.ok(process !== undefined);
    return process;
  }

  function refusal(cpus: SpecPatch["cpus"]): Promise<string> {
    return failure((options) => daemon.create(["true"], { cpus }, {}, options));
  }

  it("are one worker's, and those who were there have been moved before it ran", async () => {
    const shared = await Promise.all([create(), create(), create(), create()]);
    const alone = await create({ policy: EXCLUSIVE });
    assert.deepEqual(statusOf(alone).cpus, [first]);
    assert.equal(kernelCpus(alone), `${first}`);
    for (const worker of shared) assert.equal(kernelCpus(worker), `${second}`);
    assert.equal(kernelCpus(await create()), `${second}`);
    const records = await Promise.all(shared.map(fresh));
    for (const record of records) assert.deepEqual(statusOf(record).assignedCpus, [second]);
    await eventually(
      async () => (await Promise.all(shared.map(fresh))).map((one) => statusOf(one).cpus),
      (seen) => seen.every((cpus) => cpus.length === 1 && cpus[0] === second),
    );
    const { assignments } = await daemon.cpus.listCpuAssignments({});
    assert.deepEqual(
      assignments.map(({ cpu, exclusive, processCount }) => [cpu, exclusive, processCount]),
      [
        [first, true, 1],
        [second, false, 5],
      ],
    );
  });

  it("stay off the last shared one, and off those that others named", async () => {
    assert.equal(
      await refusal({ policy: EXCLUSIVE, count: 2 }),
      "RESOURCE_EXHAUSTED/SHARED_SET_WOULD_BE_EMPTY",
    );
    await create({ policy: EXPLICIT, cpus: [first] });
    assert.deepEqual(statusOf(await create({ policy: EXCLUSIVE })).cpus, [second]);
    assert.equal(
      await refusal({ policy: EXPLICIT, cpus: [second] }),
      "RESOURCE_EXHAUSTED/CPUS_EXHAUSTED",
    );
    const explained = await daemon.cpus.explainPlacement({ cpus: { policy: EXCLUSIVE } });
    assert.equal(explained.fits, false);
    assert.equal(explained.rejection?.reason, "CPUS_EXHAUSTED");
    assert.equal(explained.rejection.blockers.length, 2);
  });

  it("keep workers away that are not pinned, until they are free again", async () => {
    const loose = await create({ policy: NONE });
    const before = kernelCpus(loose);
    const alone = await create({ policy: EXCLUSIVE });
    assert.equal(kernelCpus(loose), `${second}`);
    await daemon.processes.stopProcess({ name: alone.name });
    await eventually(
      () => kernelCpus(loose),
      (cpus) => cpus === formatCpuSet([first, second]),
    );
    assert.ok((parseCpuSet(before) ?? []).includes(first));
  });

  it("are waited for in turn, and not by those who have gone away", async () => {
    const alone = await create({ policy: EXCLUSIVE });
    const wanted = { policy: EXCLUSIVE, layout: CpuLayout.SPREAD, maxWaitMs: 600_000 };
    const gone = new AbortController();
    const lost = daemon
      .create(["sleep", "600"], { cpus: wanted }, { name: "lost" }, { signal: gone.signal })
      .then(
        () => "created",
        () => "gone",
      );
    const waits = async (): Promise<number> =>
      (await daemon.cpus.listCpuAssignments({})).waiting.length;
    await eventually(waits, (count) => count === 1);
    const next = create(wanted, "next");
    await eventually(waits, (count) => count === 2);
    assert.equal(
      await refusal({ policy: EXCLUSIVE }),
      "RESOURCE_EXHAUSTED/SHARED_SET_WOULD_BE_EMPTY",
    );
    gone.abort();
    assert.equal(await lost, "gone");
    await eventually(waits, (count) => count === 1);
    await daemon.processes.stopProcess({ name: alone.name });
    assert.deepEqual(statusOf(await next).cpus, [first]);
    const { processes } = await daemon.processes.listProcesses({ namePrefix: "lost" });
    assert.deepEqual(processes, []);
  });

  it("that are waited for twice with one request_id make one worker", async () => {
    const alone = await create({ policy: EXCLUSIVE });
    const cpus = { policy: EXCLUSIVE, maxWaitMs: 600_000 };
    const both = [1, 2].map(() =>
      daemon.create(["sleep", "600"], { cpus }, { name: "once", requestId: "once-only" }),
    );
    await eventually(
      async () => (await daemon.cpus.listCpuAssignments({})).waiting.length,
      (count) => count === 2,
    );
    await daemon.processes.stopProcess({ name: alone.name });
    const [one, other] = await Promise.all(both);
    assert.equal(one?.uid, other?.uid);
    assert.equal((await daemon.cpus.listCpuAssignments({})).waiting.length, 0);
  });

  it("end a wait with what was lacking when the time is over", async () => {
    await create({ policy: EXCLUSIVE });
    assert.equal(
      await refusal({ policy: EXCLUSIVE, maxWaitMs: 50 }),
      "RESOURCE_EXHAUSTED/SHARED_SET_WOULD_BE_EMPTY",
    );
  });

  it("are still theirs when the daemon has been killed", async () => {
    const alone = await create({ policy: EXCLUSIVE });
    const shared = await create();
    await daemon.crash();
    assert.equal(kernelCpus(await create()), `${second}`);
    assert.equal(
      await refusal({ policy: EXCLUSIVE }),
      "RESOURCE_EXHAUSTED/SHARED_SET_WOULD_BE_EMPTY",
    );
    assert.equal(kernelCpus(alone), `${first}`);
    assert.equal(kernelCpus(shared), `${second}`);
  });

  it("move one worker when another has ended and left them uneven", async () => {
    const workers: Process[] = [];
    for (let n = 0; n < 4; n++) workers.push(await create());
    const before = workers.map(kernelCpus);
    assert.deepEqual(before, [first, second, first, second].map(String));
    for (const index of [1, 3]) {
      await daemon.processes.stopProcess({ name: workers[index]?.name ?? "" });
    }
    const left = [workers[0], workers[2]].flatMap((worker) => worker ?? []);
    await eventually(
      () => left.map(kernelCpus).sort(),
      (cpus) => cpus.join() === [first, second].sort().join(),
    );
    await eventually(
      async () => (await Promise.all(left.map(fresh))).map((one) => statusOf(one).cpus[0]).sort(),
      (cpus) => cpus.join() === [first, second].sort().join(),
    );
  });

  it("and others are looked after: who is moved from outside is reported, and left there", async () => {
    const worker = await create({ policy: EXPLICIT, cpus: [first] });
    const { pid } = statusOf(worker);
    execFileSync("taskset", ["-cp", `${second}`, `${pid}`]);
    const { drifts } = await eventually(
      () => daemon.cpus.listCpuAssignments({}),
      (answer) => answer.drifts.length > 0,
    );
    assert.deepEqual(drifts, [{ process: worker.name, ledgerCpus: [first], kernelCpus: [second] }]);
    const seen = statusOf(await fresh(worker));
    assert.deepEqual([seen.cpus, seen.assignedCpus], [[second], [first]]);
    const status = await daemon.admin.getServerStatus({});
    assert.equal(status.state, ServerState.DEGRADED);
    assert.match(
      status.warnings.join(),
      new RegExp(`Worker ${worker.name} runs on CPUs ${second}`),
    );
    const warnings = (): number => daemon.log.split("worker is not on its CPUs").length - 1;
    assert.equal(warnings(), 1);
    assert.equal(kernelCpus(worker), `${second}`);
    execFileSync("taskset", ["-cp", `${first}`, `${pid}`]);
    await eventually(
      async () => (await daemon.cpus.listCpuAssignments({})).drifts.length,
      (count) => count === 0,
    );
    assert.equal(warnings(), 1);
  });
});
