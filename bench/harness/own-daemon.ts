import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect } from "forkbus";
import { packageRoot } from "../../server/kernel/package-root.js";
import { profiled } from "./node-program.js";

const startWithinMs = 20_000;
const keeperEndsWithinMs = 5_000;

/** A daemon of our own, on a Unix socket in a directory of its own, with its keeper; both end with it. */
export class OwnDaemon implements AsyncDisposable {
  readonly address: string;
  readonly client: Client;
  readonly version: string;
  /** As somebody else would start it. */
  readonly command: string;
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #keeperPid: number;

  private constructor(
    directory: string,
    child: ChildProcess,
    client: Client,
    facts: { readonly version: string; readonly keeperPid: number; readonly command: string },
  ) {
    this.#directory = directory;
    this.#child = child;
    this.client = client;
    this.address = client.address;
    this.version = facts.version;
    this.command = facts.command;
    this.#keeperPid = facts.keeperPid;
  }

  static async start(options: readonly string[] = [], profileDir?: string): Promise<OwnDaemon> {
    const directory = await mkdtemp(join(tmpdir(), "forkbus-bench-"));
    const address = `unix:${join(directory, "run/forkbus.sock")}`;
    const [program = "", ...args] = profiled("server/main.js", profileDir);
    const child = spawn(
      program,
      [
        ...args,
        ...["--state-dir", join(directory, "state"), "--listen", address],
        ...["--log-level", "error", ...options],
      ],
      { cwd: packageRoot, stdio: ["ignore", "inherit", "inherit"] },
    );
    try {
      const client = await connect(address, { connectMs: startWithinMs });
      const { keeperPid } = await client.admin.getServerStatus({});
      const { version } = client.server;
      const command = ["forkbus serve", ...options].join(" ");
      return new OwnDaemon(directory, child, client, { version, keeperPid, command });
    } catch (error) {
      await end(child);
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for await (const left of this.client.list()) await left.delete({ force: true });
    this.client.close();
    await end(this.#child);
    await this.#endKeeper();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Without workers it goes by itself. */
  async #endKeeper(): Promise<void> {
    const deadline = performance.now() + keeperEndsWithinMs;
    while (await isKeeper(this.#keeperPid)) {
      if (performance.now() > deadline) {
        process.kill(this.#keeperPid, "SIGTERM");
        throw new Error(`The keeper ${this.#keeperPid} had to be told to end`);
      }
      await delay(10);
    }
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

async function isKeeper(pid: number): Promise<boolean> {
  try {
    return /^\d+ \(forkbus-keeper\) [^ZX]/.test(await readFile(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // No such process any more.
    return false;
  }
}
