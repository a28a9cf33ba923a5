import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { KeeperClient } from "./keeper-client.js";
import { waitUntil } from "./wait-until.js";

const built = new Set<string>();

/** Builds a target of the keeper's Makefile once per test run, and returns the program's path. */
export function build(target: "all" | "asan" | "fuzz"): string {
  if (!built.has(target)) {
    execFileSync("make", ["-C", join(packageRoot, "server/native/keeper"), target], {
      stdio: "pipe",
    });
    built.add(target);
  }
  const name = { all: "forkbus-keeper", asan: "forkbus-keeper-asan", fuzz: "keeper-fuzz" }[target];
  return join(packageRoot, "dist/native", name);
}

export interface KeeperOptions {
  readonly program?: string;
  /** For a program that executes the keeper. */
  readonly before?: readonly string[];
  /** Of an earlier keeper, which removes it. */
  readonly directory?: string;
  /** A new directory to work in, removed at the end. */
  readonly place?: string;
  readonly args?: readonly string[];
}

/** A keeper on a directory of its own; disposing kills it, its workers and the directory. */
export class KeeperProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly directory: string;
  readonly socketPath: string;
  stderr = "";
  #exit: number | string | undefined;
  readonly #ownsDirectory: boolean;

  private constructor(options: KeeperOptions) {
    this.#ownsDirectory = options.directory === undefined;
    const place =
      options.directory ?? options.place ?? mkdtempSync(join(tmpdir(), "forkbus-keeper-"));
    this.directory = join(place, "workers");
    this.socketPath = join(place, "socket");
    const args = [
      ...(options.before ?? []),
      "--socket",
      this.socketPath,
      "--dir",
      this.directory,
      ...(options.args ?? []),
    ];
    this.child = spawn(options.program ?? build("all"), args, {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.child.on("close", (code, signal) => (this.#exit = code ?? signal ?? -1));
  }

  static async start(options: KeeperOptions = {}): Promise<KeeperProcess> {
    const keeper = new KeeperProcess(options);
    const ready = waitUntil("the keeper's socket", () => {
      if (keeper.#exit !== undefined) throw new Error(`The keeper ended: ${keeper.stderr}`);
      return keeper.stderr.includes("started") && existsSync(keeper.socketPath);
    });
    await ready.catch(async (error: unknown) => {
      await keeper[Symbol.asyncDispose]();
      throw error;
    });
    return keeper;
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  connect(): Promise<KeeperClient> {
    return KeeperClient.open(this.socketPath);
  }

  /** The exit code or signal name. */
  exit(deadlineMs?: number): Promise<number | string> {
    return waitUntil("the keeper's end", () => this.#exit, deadlineMs);
  }

  status(name: string): number {
    const line = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(
      readFileSync(`/proc/${this.pid}/status`, "utf8"),
    );
    return Number(line?.[1]);
  }

  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  children(): number[] {
    const text = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  }

  log(id: Buffer, name: "stdout" | "stderr" | "offsets" = "stdout"): string {
    return readFileSync(join(this.directory, id.toString("hex"), name), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#exit === undefined) {
      this.child.kill("SIGTERM");
      this.child.kill("SIGINT"); // at once
      await this.exit().catch(() => {
        this.child.kill("SIGKILL");
        return this.exit();
      });
    }
    if (this.#ownsDirectory) rmSync(join(this.directory, ".."), { recursive: true, force: true });
  }
}

/** The state letter and parent of a process, or undefined when it is gone. */
export function processState(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat[stat.lastIndexOf(")") + 2];
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  const state = processState(pid);
  return state !== undefined && state !== "Z" && state !== "X";
}
