import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CallOptions, type Channel, createChannel, createClient } from "nice-grpc";
import {
  AdminServiceDefinition,
  type AdminServiceClient,
} from "../../proto/gen/forkbus/v1/admin.js";
import { CpuServiceDefinition, type CpuServiceClient } from "../../proto/gen/forkbus/v1/cpu.js";
import {
  type Process,
  ProcessServiceDefinition,
  type ProcessServiceClient,
} from "../../proto/gen/forkbus/v1/process.js";
import {
  QueueServiceDefinition,
  type QueueServiceClient,
} from "../../proto/gen/forkbus/v1/queue.js";
import {
  TemplateServiceDefinition,
  type TemplateServiceClient,
} from "../../proto/gen/forkbus/v1/template.js";
import { packageRoot } from "../../server/kernel/package-root.js";
import { eventually } from "./eventually.js";

export interface HarnessOptions {
  /** Further options of `forkbus serve`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of a directory of its own, which is removed at the end. */
  readonly stateDir?: string;
  /** Runs the daemon through another program, such as `prlimit`. */
  readonly wrapper?: readonly string[];
  /** Instead of the daemon that was built here, such as an installed `forkbus serve`. */
  readonly program?: readonly string[];
  /** The user and group that it runs as, who then own its directory. */
  readonly runAs?: number;
}

const builtDaemon = [process.execPath, join(packageRoot, "dist/server/main.js")];

type CreateRequest = Parameters<ProcessServiceClient["createProcess"]>[0];
type NewProcess = NonNullable<CreateRequest["process"]>;

/** The pieces of a CreateProcess that tests care about. */
export type SpecPatch = Omit<NonNullable<NewProcess["spec"]>, "target">;
export interface RequestPatch {
  readonly name?: string;
  readonly labels?: Record<string, string>;
  readonly requestId?: string;
}

/**
 * A built daemon of its own, on its own socket and in its own directory. Disposing it ends its
 * workers, the daemon and the keeper, whatever the test did to them.
 */
export class DaemonHarness implements AsyncDisposable {
  readonly directory: string;
  readonly stateDir: string;
  readonly socketPath: string;
  readonly #options: HarnessOptions;
  #daemon: ChildProcess | undefined;
  #channel: Channel | undefined;

  private constructor(directory: string, options: HarnessOptions) {
    this.directory = directory;
    this.stateDir = options.stateDir ?? join(directory, "state");
    this.socketPath = join(directory, "run", "forkbus.sock");
    this.#options = options;
  }

  static async start(options: HarnessOptions = {}): Promise<DaemonHarness> {
    const directory = await mkdtemp(join(tmpdir(), "forkbus-test-"));
    const harness = new DaemonHarness(directory, options);
    try {
      if (options.runAs !== undefined) await chown(directory, options.runAs, options.runAs);
      await harness.startDaemon();
      return harness;
    } catch (error) {
      await harness[Symbol.asyncDispose]();
      throw error;
    }
  }

  get address(): string {
    return `unix:${this.socketPath}`;
  }

  get pid(): number {
    assert.ok(this.#daemon?.pid !== undefined, "the daemon does not run");
    return this.#daemon.pid;
  }

  /** From the keeper's lock file; undefined when there was never one. */
  get keeperPid(): number | undefined {
    const path = join(this.stateDir, "workers", "keeper.lock");
    const pid = existsSync(path) ? Number(readFileSync(path, "utf8").split("\n")[0]) : NaN;
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  }

  get processes(): ProcessServiceClient {
    return createClient(ProcessServiceDefinition, this.#connect());
  }

  get queues(): QueueServiceClient {
    return createClient(QueueServiceDefinition, this.#connect());
  }

  get templates(): TemplateServiceClient {
    return createClient(TemplateServiceDefinition, this.#connect());
  }

  get cpus(): CpuServiceClient {
    return createClient(CpuServiceDefinition, this.#connect());
  }

  get admin(): AdminServiceClient {
    return createClient(AdminServiceDefinition, this.#connect());
  }

  /** All that the daemon has logged so far. */
  get log(): string {
    const path = join(this.directory, "daemon.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Starts it, or starts it again. Resolves when it serves; rejects with its log when it ends instead. */
  async startDaemon(extraArgs: readonly string[] = []): Promise<void> {
    const { wrapper = [], program = builtDaemon, runAs } = this.#options;
    const commandLine = [
      ...wrapper,
      ...program,
      ...["--state-dir", this.stateDir, "--listen", this.address, "--log-format", "json"],
      ...(this.#options.args ?? []),
      ...extraArgs,
    ];
    const log = openSync(join(this.directory, "daemon.log"), "a");
    const daemon = spawn(commandLine[0] ?? "", commandLine.slice(1), {
      stdio: ["ignore", log, log],
      env: { ...process.env, ...this.#options.env },
      ...(runAs === undefined ? {} : { uid: runAs, gid: runAs }),
    });
    closeSync(log);
    this.#daemon = daemon;
    const seen = this.log.length;
    await eventually(
      () => ({ ended: hasEnded(daemon), log: this.log.slice(seen) }),
      ({ ended, log: text }) => ended || text.includes('"message":"ready"'),
      { what: "the daemon to be ready" },
    );
    if (hasEnded(daemon)) throw new Error(`The daemon did not start:\n${this.log}`);
  }

  /** As the power cord would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** As an operator would. Resolves to the daemon's exit code. */
  async stop(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  /** `kill -9`, then a new daemon on the same state. */
  async crash(): Promise<void> {
    await this.kill();
    await this.startDaemon();
  }

  /** Starts a worker; further parts of the spec in `spec`, of the request in `request`. */
  async create(
    argv: readonly string[],
    spec: SpecPatch = {},
    { name = "", labels = {}, requestId = "" }: RequestPatch = {},
    options: CallOptions = {},
  ): Promise<Process> {
    const target = { $case: "exec" as const, value: { argv: [...argv] } };
    const response = await this.processes.createProcess(
      { requestId, process: { name, labels, spec: { target, ...spec } } },
      options,
    );
    assert.ok(response.process);
    return response.process;
  }

  /** A worker's output, once it and its tree have ended. */
  async output(name: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const parts: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    for await (const { event } of this.processes.readLogs({ name, follow: true })) {
      if (event?.$case !== "chunk") continue;
      (event.value.stream === 1 ? parts.stdout : parts.stderr).push(Buffer.from(event.value.data));
    }
    return {
      stdout: Buffer.concat(parts.stdout).toString(),
      stderr: Buffer.concat(parts.stderr).toString(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // `forkbus serve` passes on what it can catch.
    await this.#end(this.#options.program === undefined ? "SIGKILL" : "SIGTERM");
    const keeper = this.keeperPid;
    if (keeper !== undefined && isKeeper(keeper)) {
      await eventually(
        () => {
          const alive = isKeeper(keeper);
          // The first one asks its workers to end, the second one does not ask.
          if (alive) askToEnd(keeper);
          return alive;
        },
        (alive) => !alive,
        { what: `keeper ${keeper} to end` },
      );
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  #connect(): Channel {
    this.#channel ??= createChannel(`unix://${this.socketPath}`, undefined, {
      // A daemon that comes back is found again without waiting.
      "grpc.initial_reconnect_backoff_ms": 50,
      // For one attempt to connect: nice-grpc enforces it under this name.
      "grpc.min_reconnect_backoff_ms": 10_000,
      "grpc.max_reconnect_backoff_ms": 100,
    });
    return this.#channel;
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    this.#channel?.close();
    this.#channel = undefined;
    const daemon = this.#daemon;
    if (daemon === undefined) return null;
    if (!hasEnded(daemon)) {
      const exited = once(daemon, "exit");
      daemon.kill(signal);
      await exited;
    }
    return daemon.exitCode;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** It may have ended since somebody looked. */
function askToEnd(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** A pid alone names nothing: it must still be the keeper's program, and not what is left of it. */
function isKeeper(pid: number): boolean {
  try {
    return /^\d+ \(forkbus-keeper\) [^ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
