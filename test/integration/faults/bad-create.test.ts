import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CpuPolicy,
  type CreateProcessRequest,
  type DeepPartial,
  OnExit,
  type ProcessSpec,
  StdioMode,
} from "../../../proto/gen/forkbus/v1/process.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { checkRefusal, type Expected, refusalOf } from "./refusal.js";
import { checkStillWorks } from "./still-works.js";

type Spec = DeepPartial<Omit<ProcessSpec, "target">>;

const MIB = 1024 * 1024;

describe("a create that cannot be", () => {
  let daemon: DaemonHarness;
  let first: { readonly pid: number; readonly keeperPid: number | undefined };

  async function refused(
    expected: Expected,
    request: DeepPartial<CreateProcessRequest>,
  ): Promise<void> {
    checkRefusal(
      await refusalOf((options) => daemon.processes.createProcess(request, options)),
      expected,
    );
    const { processes } = await daemon.processes.listProcesses({});
    assert.deepEqual(
      processes.map(({ name }) => name),
      [],
      "a refused create leaves nothing behind",
    );
  }

  before(async () => {
    daemon = await DaemonHarness.start();
    first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    await checkStillWorks(daemon, first);
  });

  it("names a program that is not there", async () => {
    const missing = { status: "INVALID_ARGUMENT/EXECUTABLE_NOT_FOUND" } as const;
    await refused({ ...missing, names: ["/no/such/program"] }, running(["/no/such/program"]));
    await refused({ ...missing, names: ["no-such-program", "PATH"] }, running(["no-such-program"]));
    const script = join(daemon.directory, "script");
    await writeFile(script, "#!/no/such/interpreter\n", { mode: 0o755 });
    await refused({ ...missing, names: [script, "interpreter"] }, running([script]));
    await refused({ ...missing, names: [script] }, running([`${script}/below`]));
  });

  it("names a program that the kernel refuses to run, and why", async () => {
    const refusing = { status: "INVALID_ARGUMENT/EXECUTABLE_NOT_RUNNABLE" } as const;
    const text = join(daemon.directory, "text");
    await writeFile(text, "no program\n");
    await refused({ ...refusing, names: [text, "EACCES"] }, running([text]));
    await chmod(text, 0o755);
    await refused({ ...refusing, names: [text, "ENOEXEC", "#!"] }, running([text]));
    await refused({ ...refusing, names: ["/tmp", "EACCES"] }, running(["/tmp"]));
  });

  it("names a working directory that cannot be entered, and why", async () => {
    const invalidDir = { status: "INVALID_ARGUMENT/WORKING_DIR_INVALID" } as const;
    const file = join(daemon.directory, "file");
    await writeFile(file, "");
    const fifo = join(daemon.directory, "fifo");
    execFileSync("mkfifo", [fifo]);
    const cases = [
      ["/no/such/directory", "ENOENT"],
      [file, "ENOTDIR"],
      [fifo, "ENOTDIR"],
    ] as const;
    for (const [workingDir, errno] of cases) {
      await refused(
        { ...invalidDir, names: [workingDir, errno] },
        running(["true"], { workingDir }),
      );
    }
    await refused(invalid("absolute", '"relative"'), running(["true"], { workingDir: "relative" }));
  });

  it("says which CPUs there are when one is not there", async () => {
    const policy = CpuPolicy.EXPLICIT;
    await refused(
      { status: "INVALID_ARGUMENT/CPU_UNKNOWN", names: ["CPU 60000", /workers may use: [\d,-]+$/] },
      running(["true"], { cpus: { policy, cpus: [60_000] } }),
    );
    await refused(
      { status: "INVALID_ARGUMENT/CPU_UNKNOWN", names: ["CPU 4294967295"] },
      running(["true"], { cpus: { policy, cpus: [0xffff_ffff] } }),
    );
    await refused(invalid("explicit"), running(["true"], { cpus: { policy } }));
    await refused(
      { status: "RESOURCE_EXHAUSTED/CPUS_EXHAUSTED", names: ["50000 CPUs"] },
      running(["true"], { cpus: { policy: CpuPolicy.SHARED, count: 50_000 } }),
    );
    await refused(
      invalid("spec.cpus.count", "4294967295"),
      running(["true"], { cpus: { count: 0xffff_ffff } }),
    );
  });

  it("wants something to run", async () => {
    await refused(invalid("spec.target"), {});
    await refused(invalid("spec.target"), { process: { spec: {} } });
    await refused(invalid("argv"), running([]));
    await refused(invalid("argv"), running([""]));
  });

  it("refuses a NUL, wherever it is", async () => {
    await refused(invalid("spec.exec.path", "NUL"), running(["tr\0ue"]));
    await refused(invalid("spec.exec.argv", "NUL"), running(["true", "a\0b"]));
    await refused(invalid('"A"', "NUL"), running(["true"], { env: { A: "a\0b" } }));
    await refused(invalid("NUL"), running(["true"], { env: { "A\0B": "" } }));
    await refused(invalid("spec.working_dir"), running(["true"], { workingDir: "/t\0mp" }));
    await refused(invalid("spec.run_as.user"), running(["true"], { runAs: { user: "ro\0ot" } }));
    await refused(invalid("name"), withName("a\0b"));
    await refused(invalid("request_id"), { ...running(["true"]), requestId: "a\0b" });
  });

  it("refuses environment variables that no program can read", async () => {
    await refused(invalid('""', "environment"), running(["true"], { env: { "": "x" } }));
    await refused(invalid('"A=B"', "environment"), running(["true"], { env: { "A=B": "x" } }));
  });

  it("refuses names, ids and labels that are none", async () => {
    for (const name of ["Upper", "/slash", "ü", " ", "a".repeat(129)]) {
      await refused(invalid("name", name.slice(0, 60)), withName(name));
    }
    await refused(invalid("request_id", "bad id"), { ...running(["true"]), requestId: "bad id" });
    const tooLong = "a".repeat(65);
    await refused(invalid("request_id"), { ...running(["true"]), requestId: tooLong });
    const cases: readonly Record<string, string>[] = [
      { Upper: "" },
      { "": "" },
      { ["k".repeat(64)]: "" },
      { key: "v".repeat(257) },
      { key: "ü".repeat(129) },
      Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`key-${index}`, ""])),
    ];
    for (const labels of cases) {
      const { process } = running(["true"]);
      await refused(invalid("labels"), { process: { ...process, labels } });
    }
  });

  it("refuses arguments, environments and paths that are too large", async () => {
    await refused(invalid("spec.exec.argv", String(MIB)), running(["true", "x".repeat(MIB - 4)]));
    const many = Array.from({ length: MIB }, () => "");
    await refused(invalid("spec.exec.argv", String(MIB)), running(["true", ...many]));
    await refused(
      invalid("environment", String(MIB)),
      running(["true"], { env: { A: "x".repeat(MIB - 2) } }),
    );
    await refused(
      invalid("spec.working_dir", "4095"),
      running(["true"], { workingDir: `/${"d".repeat(4095)}` }),
    );
    await refused(invalid("spec.exec.path", "4095"), running([`/${"p".repeat(4095)}`]));
  });

  it("is honest about arguments that we allow and the kernel does not", async () => {
    // MAX_ARG_STRLEN of the kernel is 128 KiB.
    const refusing = { status: "INVALID_ARGUMENT/EXECUTABLE_NOT_RUNNABLE" } as const;
    await refused(
      { ...refusing, names: ["E2BIG", "too large"] },
      running(["true", "x".repeat(MIB - 6)]),
    );
    await refused(
      { ...refusing, names: ["E2BIG", "too large"] },
      running(["true"], { env: { A: "x".repeat(MIB - 3) } }),
    );
  });

  it("refuses more arguments and variables than the keeper is told at once", async () => {
    const argv = ["true", ...Array.from({ length: 130_000 }, () => "")];
    await refused(
      invalid("entries", "1048568"),
      running(["true", ...Array.from({ length: MIB - 9 }, () => "")]),
    );
    const env = Object.fromEntries(Array.from({ length: 1072 }, (_, index) => [`A${index}`, ""]));
    await refused(invalid("131073 entries"), running(argv, { env }));
  });

  it("runs with exactly 1 MiB of arguments", async () => {
    // Each argument is counted with the byte that ends it.
    const argv = ["sh", "-c", "echo $#", "sh"];
    const rest = MIB - argv.reduce((sum, part) => sum + part.length + 1, 0);
    const block = 64 * 1024;
    const filling = Array.from({ length: Math.floor(rest / block) }, () => "x".repeat(block - 1));
    const last = "y".repeat((rest % block) - 1);
    const { name } = await daemon.create([...argv, ...filling, last]);
    await daemon.processes.waitProcess({ name });
    assert.equal((await daemon.output(name)).stdout, `${filling.length + 1}\n`);
    await daemon.processes.deleteProcess({ name });
  });

  it("refuses resource limits that cannot be", async () => {
    const limits = (rlimits: Spec["limits"]): DeepPartial<CreateProcessRequest> =>
      running(["true"], { limits: rlimits });
    await refused(invalid("RLIMIT_TYPO"), limits({ rlimits: [{ resource: "RLIMIT_TYPO" }] }));
    await refused(invalid("toString"), limits({ rlimits: [{ resource: "toString" }] }));
    await refused(
      invalid("RLIMIT_NOFILE", "twice"),
      limits({ rlimits: [{ resource: "RLIMIT_NOFILE" }, { resource: "RLIMIT_NOFILE" }] }),
    );
    await refused(
      invalid("RLIMIT_NOFILE", "above its hard limit"),
      limits({ rlimits: [{ resource: "RLIMIT_NOFILE", soft: 10n, hard: 9n }] }),
    );
    // Nobody may go above fs.nr_open, not even root.
    await refused(
      invalid("EPERM", "resource limits"),
      limits({ rlimits: [{ resource: "RLIMIT_NOFILE", soft: 1n << 40n, hard: 1n << 40n }] }),
    );
  });

  it("refuses numbers that are out of range", async () => {
    await refused(invalid("spec.umask", "512"), running(["true"], { umask: 0o1000 }));
    await refused(
      invalid("spec.log_retention.max_bytes", "65535"),
      running(["true"], { logRetention: { maxBytes: 65_535n } }),
    );
    await refused(
      invalid("spec.log_retention.max_bytes"),
      running(["true"], { logRetention: { maxBytes: (1n << 64n) - 1n } }),
    );
    await refused(
      invalid("spec.stop.grace_ms", "86400001"),
      running(["true"], { stop: { graceMs: 86_400_001 } }),
    );
  });

  it("refuses enum values of the future", async () => {
    const cases: readonly (readonly [string, Spec])[] = [
      ["spec.cpus.policy", { cpus: { policy: CpuPolicy.UNRECOGNIZED } }],
      ["spec.on_exit", { onExit: OnExit.UNRECOGNIZED }],
      ["spec.stdout", { stdout: StdioMode.UNRECOGNIZED }],
      ["spec.stderr", { stderr: StdioMode.UNRECOGNIZED }],
    ];
    for (const [field, spec] of cases) await refused(invalid(field), running(["true"], spec));
  });

  it("refuses signals and users that are not there", async () => {
    await refused(
      { status: "INVALID_ARGUMENT/SIGNAL_UNKNOWN", names: ["SIGTYPO"] },
      running(["true"], { stop: { signal: "SIGTYPO" } }),
    );
    await refused(invalid("no-such-user"), running(["true"], { runAs: { user: "no-such-user" } }));
    await refused(invalid("spec.run_as"), running(["true"], { runAs: {} }));
  });

  it("refuses a user that the keeper's policy does not list", async () => {
    await refused(
      { status: "PERMISSION_DENIED/RUN_AS_DENIED", names: ["nobody", "policy"] },
      running(["true"], { runAs: { user: "nobody" } }),
    );
  });

  it("refuses a name that is taken, and a request_id that was used for another body", async () => {
    const { name } = await daemon.create(["sleep", "60"], {}, { name: "one", requestId: "id-1" });
    const again = { process: { name, spec: running(["sleep", "60"]).process?.spec ?? {} } };
    const refusals = [
      await refusalOf((options) => daemon.processes.createProcess(again, options)),
      await refusalOf((options) =>
        daemon.processes.createProcess({ ...running(["true"]), requestId: "id-1" }, options),
      ),
    ];
    checkRefusal(refusals[0] ?? assert.fail(), {
      status: "ALREADY_EXISTS/PROCESS_EXISTS",
      names: ["one"],
    });
    checkRefusal(refusals[1] ?? assert.fail(), {
      status: "INVALID_ARGUMENT/REQUEST_ID_REUSED",
      names: ["id-1", "one"],
    });
    const repeated = await daemon.processes.createProcess({ ...again, requestId: "id-1" });
    assert.equal(repeated.process?.name, "one");
    assert.equal((await daemon.processes.listProcesses({})).processes.length, 1);
    await daemon.processes.deleteProcess({ name, force: true });
  });
});

function running(argv: readonly string[], spec: Spec = {}): DeepPartial<CreateProcessRequest> {
  return { process: { spec: { ...spec, target: { $case: "exec", value: { argv: [...argv] } } } } };
}

function withName(name: string): DeepPartial<CreateProcessRequest> {
  return { process: { ...running(["true"]).process, name } };
}

function invalid(...names: readonly (string | RegExp)[]): Expected {
  return { status: "INVALID_ARGUMENT/INVALID_FIELD", names };
}
