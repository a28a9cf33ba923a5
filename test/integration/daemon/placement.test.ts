import assert from "node:assert/strict";
import { CpuPolicy, type Process } from "../../../proto/gen/forkbus/v1/process.js";
import { type SpecPatch } from "../../support/daemon-harness.js";
import { formatCpuSet, parseCpuSet } from "../../../server/cpus/cpu-set.js";
import { statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { statusField } from "./support/proc-fs.js";
import { sharedDaemon } from "./support/shared-daemon.js";

const { SHARED, EXPLICIT, NONE } = CpuPolicy;
const ours = parseCpuSet(statusField(process.pid, "Cpus_allowed_list")) ?? [];

describe("the CPUs of a worker", () => {
  const daemon = sharedDaemon();

  /** What the record says must be what the kernel says. */
  async function placed(cpus?: SpecPatch["cpus"]): Promise<readonly number[]> {
    const worker = await daemon().create(["sleep", "600"], cpus === undefined ? {} : { cpus });
    const status = statusOf(worker);
    assert.equal(formatCpuSet(status.cpus), statusField(status.pid, "Cpus_allowed_list"));
    return status.cpus;
  }

  async function threads(
    cpus: SpecPatch["cpus"],
    env: Record<string, string> = {},
  ): Promise<string> {
    const script = "echo ${OMP_NUM_THREADS-unset} ${MKL_NUM_THREADS-unset}";
    const { name } = await daemon().create(["sh", "-c", script], { cpus, env });
    return (await daemon().output(name)).stdout.trim();
  }

  async function stopAll(): Promise<void> {
    const { processes } = await daemon().processes.listProcesses({});
    const remove = ({ name }: Process): Promise<unknown> =>
      daemon().processes.deleteProcess({ name, force: true });
    await Promise.all(processes.map(remove));
  }

  beforeEach(stopAll);

  it("are one each, spread over all that there are", async () => {
    const count = new Map<number, number>();
    for (let n = 0; n < 3 * ours.length; n++) {
      const [cpu, ...more] = await placed();
      assert.ok(cpu !== undefined && more.length === 0);
      count.set(cpu, (count.get(cpu) ?? 0) + 1);
    }
    assert.deepEqual(
      [...count].sort(([a], [b]) => a - b),
      ours.map((cpu) => [cpu, 3]),
    );
  });

  it("are given to others when the worker has ended", async () => {
    const first = await daemon().create(["sleep", "600"]);
    for (let n = 1; n < ours.length; n++) await placed();
    await daemon().processes.stopProcess({ name: first.name });
    assert.deepEqual(await placed(), statusOf(first).cpus);
  });

  it("are as many as were asked for, or the ones that were named", async () => {
    assert.deepEqual(await placed({ policy: SHARED, count: ours.length }), ours);
    for (const cpu of ours)
      assert.deepEqual(await placed({ policy: EXPLICIT, cpus: [cpu] }), [cpu]);
    assert.deepEqual(await placed({ policy: EXPLICIT, cpus: [...ours].reverse() }), ours);
  });

  it("are those of the keeper when it is not pinned", async () => {
    const keeper = daemon().keeperPid ?? 0;
    const cpus = await placed({ policy: NONE });
    assert.equal(formatCpuSet(cpus), statusField(keeper, "Cpus_allowed_list"));
  });

  it("are refused when they are not there, too many, or none", async () => {
    const refusal = (cpus: SpecPatch["cpus"]): Promise<string> =>
      failure((options) => daemon().create(["true"], { cpus }, {}, options));
    const missing = Math.max(...ours) + 1;
    assert.equal(
      await refusal({ policy: EXPLICIT, cpus: [missing] }),
      "INVALID_ARGUMENT/CPU_UNKNOWN",
    );
    assert.equal(
      await refusal({ policy: SHARED, count: ours.length + 1 }),
      "RESOURCE_EXHAUSTED/CPUS_EXHAUSTED",
    );
    assert.equal(await refusal({ policy: EXPLICIT, cpus: [] }), "INVALID_ARGUMENT/INVALID_FIELD");
    // What was refused holds no CPU.
    const { processes } = await daemon().processes.listProcesses({});
    assert.deepEqual(processes, []);
  });

  it("are told to numeric libraries, unless the caller tells them something else", async () => {
    const all = { policy: SHARED, count: ours.length };
    assert.equal(await threads(all), `${ours.length} ${ours.length}`);
    assert.equal(await threads(all, { OMP_NUM_THREADS: "7" }), `7 ${ours.length}`);
    assert.equal(await threads({ policy: NONE }), "unset unset");
  });

  it("do not change when the daemon is killed", async () => {
    const before = statusOf(await daemon().create(["sleep", "600"])).cpus;
    await daemon().crash();
    const { processes } = await daemon().processes.listProcesses({});
    assert.deepEqual(statusOf(processes[0]).cpus, before);
    if (ours.length > 1) assert.notDeepEqual(await placed(), before);
  });
});
