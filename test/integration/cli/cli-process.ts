import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { join } from "node:path";
import { type Readable, type Writable } from "node:stream";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { eventually } from "../../support/eventually.js";

export interface CliResult {
  /** 128+N for signal N. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built `forkbus` of a person at a shell, talking to one daemon. */
export class CliProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #output = { stdout: "", stderr: "" };
  readonly #ended: Promise<number>;

  constructor(address: string, args: readonly string[], cwd?: string) {
    const program = join(packageRoot, "dist/cli/main.js");
    this.#child = spawn(process.execPath, [program, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, FORKBUS_ADDRESS: address },
      ...(cwd === undefined ? {} : { cwd }),
    });
    // The worker may not want our input.
    this.#child.stdin.on("error", () => undefined);
    for (const name of ["stdout", "stderr"] as const) {
      this.#child[name].setEncoding("latin1").on("data", (text: string) => {
        this.#output[name] += text;
      });
    }
    this.#ended = once(this.#child, "close").then(() => {
      const { exitCode, signalCode } = this.#child;
      return exitCode ?? 128 + (signalCode === null ? 0 : constants.signals[signalCode]);
    });
  }

  get stdin(): Writable {
    return this.#child.stdin;
  }

  /** Waits until stdout has this text. */
  async shows(text: string): Promise<void> {
    const what = `${JSON.stringify(text)} on stdout`;
    await eventually(
      () => this.#output.stdout,
      (seen) => seen.includes(text),
      { what },
    );
  }

  kill(signal: NodeJS.Signals): void {
    assert.ok(this.#child.kill(signal));
  }

  /** Reads no more of stdout, as a slow disk does. */
  pauseOutput(): void {
    this.#child.stdout.pause();
  }

  resumeOutput(): void {
    this.#child.stdout.resume();
  }

  /** Goes away as `head -1` does. */
  closeOutput(): void {
    this.#child.stdout.destroy();
  }

  async end(): Promise<CliResult> {
    return { code: await this.#ended, ...this.#output };
  }
}

/** Runs a command to its end, with this on stdin. Bytes are latin1 characters, in and out. */
export async function forkbus(
  address: string,
  args: readonly string[],
  input = "",
): Promise<CliResult> {
  const cli = new CliProcess(address, args);
  cli.stdin.end(Buffer.from(input, "latin1"));
  return cli.end();
}
